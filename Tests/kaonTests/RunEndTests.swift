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

    /// The last lines, and those of early stopping, name the loss that selects the best checkpoint.
    @Test func theSelectingLossIsNamed() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let vqvae = [
                "objective=vqvae", "~tasks", "~model.encoder", "~model.decoder", "preprocessing.name=standard",
                "~preprocessing.quantiles", "model.quantiser={codes: 16, dimension: 4}", "vqvae.fit_jets=60",
                "model.encoder={width: 16, layers: 1, heads: 2, hidden: 16}",
                "model.decoder={width: 16, layers: 1, heads: 2, hidden: 16}",
            ]
            let best = "best checkpoint: \(run.directory)/checkpoints/best (step "
            let lines = try lastLines(run.arguments(vqvae))
            #expect(
                lines[1].hasPrefix(best) && lines[1].contains(/, validation reconstruction [0-9.]+\)/), "\(lines)")
            let stopped = try lastLines(
                run.arguments(
                    vqvae + [
                        "optimizer.learning_rate=0", "training.early_stopping_patience=2", "run.resume=never",
                        "run.directory=\(folder)/stopped", "training.validation_interval=1",
                    ]), 4)
            #expect(
                stopped[0].contains(
                    /stopped early after \d of 6 steps: the validation reconstruction has not fallen below [0-9.]+/
                ),
                "\(stopped)")
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
