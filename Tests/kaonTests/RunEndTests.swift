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
            // True labels must not select the checkpoint of a weak supervision.
            let weak = try lastLines(
                TinyRun(in: folder + "/weak").arguments(
                    "cwola", ["cwola={background: [QCD], signal: [Tbqq], background_jets: all, signal_jets: 20}"]))
            #expect(weak[2] == "next: kaon evaluate \(folder)/weak/run/checkpoints/latest 'data.test=[test.h5]'")
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
            let vqvae = Self.vqvae
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

    /// A run that has diverged has no best checkpoint, and nothing is suggested.
    @Test func afterLossesThatAreNoNumbers() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            // Finite weights, but features of the jets times them are not.
            let lines = try lastLines(
                run.arguments([
                    "optimizer.learning_rate=1e18", "optimizer.gradient_clip=null", "schedule={name: constant}",
                    "training.max_skipped_steps=100",
                ]), 2)
            #expect(lines[0].hasPrefix("finished in "))
            #expect(
                lines[1] == "last checkpoint: \(run.latest) (no validation loss was finite, so that none is the best)")
        }
    }

    private static let vqvae = [
        "objective=vqvae", "~tasks", "~model.encoder", "~model.decoder", "preprocessing.name=standard",
        "~preprocessing.quantiles", "model.quantiser={codes: 16, dimension: 4}", "vqvae.fit_jets=60",
        "model.encoder={width: 16, layers: 1, heads: 2, hidden: 16}",
        "model.decoder={width: 16, layers: 1, heads: 2, hidden: 16}",
    ]

    /// The next command has the run's data, and the configuration beside that of the run where there is one.
    @Test func theNextCommandRuns() throws {
        try withScratchFolder { folder in
            let (run, small) = (try TinyRun(in: folder), Self.repository + "/configs/small/")
            func next(_ overrides: [String], name: String) throws -> String {
                let line = try lastLines(run.arguments(overrides + ["run.directory=\(folder)/\(name)"]), 1)[0]
                return String(line.dropFirst("next: ".count))
            }
            func plan(_ command: String) throws -> KaonProcess.Outcome {
                let line = "cd \(folder) && exec \(KaonProcess.program) \(command.dropFirst("kaon ".count)) --dry-run"
                return try KaonProcess(command: ["sh", "-c", line]).outcome()
            }
            let data = "'data.train=[\(sample("val"))]' 'data.validation=[\(sample("test"))]'"
            for (features, name) in [("[pt, deta, dphi]", "mpmv1-vqvae-head"), ("all", "mpmv2-vqvae")] {
                let overrides = Self.vqvae + ["data.features=\(features)", "training.steps=1"]
                #expect(
                    try next(overrides, name: name) == "kaon pretrain configs/\(name).yaml "
                        + "tokenizer.checkpoint=\(folder)/\(name)/checkpoints/best \(data)")
                try FileManager.default.copyItem(atPath: "\(small)\(name).yaml", toPath: "\(folder)/\(name).yaml")
                let beside = try next(overrides + ["run.resume=never"], name: name + "-small")
                #expect(beside.hasPrefix("kaon pretrain \(folder)/\(name).yaml "))
                let planned = try plan(beside)
                #expect(planned.code == 0, "\(planned.errors)")
            }
            let few = try next(Self.vqvae + ["data.features=[pt, deta]", "training.steps=1"], name: "few")
            #expect(few.hasSuffix("\(data) 'data.features=[pt, deta]'"))
            let third = try plan(few)
            #expect(third.code == 0, "\(third.errors)")

            let pretrained = ["training.steps=1", "data.validation=[]", "data.allow_empty_jets=true"]
            let tuned =
                "backbone=\(folder)/mpm/checkpoints/latest backbone_mode=fine_tuned "
                + "'data.train=[\(sample("val"))]' 'data.validation=[]' data.allow_empty_jets=true "
                + "'data.test=[test.h5]'"
            #expect(
                try next(pretrained, name: "mpm") == "kaon finetune configs/finetune-classification.yaml \(tuned)")
            try FileManager.default.copyItem(
                atPath: small + "finetune-classification.yaml", toPath: folder + "/finetune-classification.yaml")
            let given = pretrained + ["data.test=[\(sample("test"))]"]
            let planned = try plan(next(given, name: "tested"))
            #expect(planned.code == 0, "\(planned.errors)")
            // A configuration in a folder below, such as those of ablations.
            let below = try TinyRun(in: folder + "/ablation")
            let line = try lastLines(below.arguments(["training.steps=1"]), 1)[0]
            #expect(line.hasPrefix("next: kaon finetune \(folder)/finetune-classification.yaml "), "\(line)")
        }
    }

    /// Whole events have configurations of their own, and their kinds of objects and number of constituents.
    @Test func theNextCommandOfEvents() throws {
        try withScratchFolder { folder in
            let events = folder + "/events.h5"
            let kinds = ["jet", "b jet", "electron", "muon", "photon", "met", "tau", "tower"]
            try copySample(to: events) {
                try $0.dataset("csts").setAttribute("names", to: ["pt", "eta", "phi", "d0", "d0err", "dz", "dzerr"])
                try $0.dataset("csts_id").setAttribute("names", to: kinds)
            }
            let run = try TinyRun(in: folder)
            let given = [
                "data.train=[\(events)]", "data.validation=[\(events)]", "data.features=[pt, eta, phi]",
                "data.identities=[\(kinds.joined(separator: ", "))]", "data.max_constituents=60", "training.steps=1",
            ]
            let line = try lastLines(run.arguments(given), 1)[0]
            #expect(line.hasPrefix("next: kaon finetune configs/events-classification.yaml backbone="), "\(line)")
            let codes = try lastLines(run.arguments(Self.vqvae + given + ["run.directory=\(folder)/codes"]), 1)[0]
            #expect(
                codes.hasSuffix(" 'data.identities=[\(kinds.joined(separator: ", "))]' data.max_constituents=60"),
                "\(codes)")
        }
    }

    private static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path

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
