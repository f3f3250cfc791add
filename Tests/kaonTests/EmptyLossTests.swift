import Foundation
import Testing

struct EmptyLossTests {
    /// A loss without targets is not 0, and its weights are not the best.
    @Test func aValidationWithoutTargetsHasNoLoss() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let outcome = try kaon(run.arguments(["masking.fraction=0"]))
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(outcome.output.contains("validation loss none"), "\(outcome.output)")
            let lines = try String(contentsOfFile: run.directory + "/metrics.csv", encoding: .utf8)
                .split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
            let column = try #require(lines[0].firstIndex(of: "valid/total_loss"))
            #expect(lines.count > 2 && lines.dropFirst().allSatisfy { $0[column].isEmpty })
            #expect(!FileManager.default.fileExists(atPath: run.directory + "/checkpoints/best"))

            let evaluated = try kaon(["evaluate", run.latest, "data.test=[\(sample("test"))]"])
            #expect(evaluated.code == 0, "\(evaluated.errors)")
            #expect(evaluated.output.contains(/kmeans_loss +none\n/))
            let report = try String(contentsOfFile: run.directory + "/evaluation/metrics.json", encoding: .utf8)
            #expect(report.contains("\"kmeans_loss\" : null"))
        }
    }
}
