import Foundation
import Testing

/// The last lines of a run: time, best checkpoint, next command.
@Suite(.serialized) struct RunEndTests {
    private func lastLines(_ arguments: [String], _ count: Int = 3) throws -> [String] {
        let outcome = try kaon(arguments)
        #expect(outcome.code == 0, "\(outcome.errors)")
        return outcome.output.split(separator: "\n").suffix(count).map(String.init)
    }

    /// The next command of a downstream run depends on whether it was evaluated; all of them run or name a tool.
    @Test func downstreamRuns() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let lines = try lastLines(run.arguments("classification"))
            #expect(lines[0].wholeMatch(of: /finished in .+: 6 steps/) != nil)
            let best = "\(run.directory)/checkpoints/best"
            #expect(lines[1].hasPrefix("best checkpoint: \(best) (step "))
            #expect(lines[2] == "next: kaon evaluate \(best) 'data.test=[test.h5]'")
            let evaluated = try lastLines(
                run.arguments("classification", ["data.test=[\(sample("test"))]", "training.steps=8"]))
            #expect(evaluated[0].hasSuffix(": 2 steps"))
            #expect(evaluated[2] == "next: kaon-plot roc \(run.directory) --output roc.pdf")
            // The evaluation prints ten lines.
            let summary = try kaon(
                ["evaluate", best, "data.test=[\(sample("test"))]", "--output", folder + "/again"]
            ).output.split(separator: "\n").map(String.init)
            #expect(summary.count == 10, "\(summary)")
            #expect(summary[0] == "\(best): classification on 1000 jets")
            #expect(summary[2].wholeMatch(of: /accuracy +0\.\d+ ± 0\.\d+/) != nil, "\(summary[2])")
            #expect(summary[8].hasSuffix(" more in \(folder)/again/metrics.json"))
            #expect(summary[9] == "written to \(folder)/again")
        }
    }

    /// Without a validation there is no best checkpoint.
    @Test func withoutAValidation() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let lines = try lastLines(run.arguments(["data.validation=[]"]))
            #expect(lines[1].hasPrefix("last checkpoint: \(run.directory)/checkpoints/latest"))
            #expect(lines[2].contains(" backbone=\(run.directory)/checkpoints/latest "))
        }
    }
}
