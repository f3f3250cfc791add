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
            let end = outcome.output.split(separator: "\n").last ?? ""
            #expect(
                end == "last checkpoint: \(run.latest) (no validation loss was finite, so that none is the best)")
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

    /// The first step without a masked constituent is named once, with the keys, on any number of ranks.
    @Test(
        arguments: [
            (["masking.fraction=0.001"], "masking.fraction (0.001) or data.max_constituents (128)"),
            (["data.max_constituents=1"], "masking.fraction (0.4) or data.max_constituents (1)"),
            (
                ["masking={strategy: uniform, range: [0, 0]}"],
                "masking.range ([0.0, 0.0]) or data.max_constituents (128)"
            ),
        ], [nil, 2])
    func aStepWithoutTargetsIsNamed(_ given: (overrides: [String], keys: String), ranks: Int?) throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let outcome = try kaon(run.arguments(given.overrides + ["~tasks.kmeans"]), ranks: ranks)
            #expect(outcome.code == 0, "\(outcome.errors)")
            let warnings = outcome.output.split(separator: "\n").filter { $0.contains("no constituent of the batch") }
            #expect(
                warnings == [
                    "warning: step 1: no constituent of the batch is masked, so that there is nothing to predict and "
                        + "no loss; raise \(given.keys)"
                ])
        }
    }

    /// Batches with few masked constituents have a loss.
    @Test func aFewTargetsSuffice() throws {
        try withScratchFolder { folder in
            let outcome = try kaon(TinyRun(in: folder).arguments(["masking.fraction=0.03"]))
            #expect(outcome.code == 0 && !outcome.output.contains("no constituent"), "\(outcome.output)")
        }
    }
}
