import Foundation
import Testing

/// The backbone of a downstream task: its mode is never implied, and the start-up lines state it.
@Suite(.serialized) struct BackboneTests {
    /// A task may leave out the positions of a backbone that was pre-trained with them, and not the reverse.
    @Test func positionsMayBeLeftOut() throws {
        try withScratchFolder { folder in
            func pretrained(_ position: String) throws -> String {
                let run = try TinyRun(in: "\(folder)/\(position)")
                let outcome = try kaon(
                    run.arguments([
                        "objective=mpm_v1", "~model", "~tasks", "~preprocessing.quantiles",
                        "tasks.regression={}", "model.position=\(position)",
                        "model.encoder={width: 16, layers: 1, heads: 2, hidden: 16}", "training.steps=2",
                    ]))
                #expect(outcome.code == 0, "\(outcome.errors)")
                return run.latest
            }
            /// The training losses of a classification on the backbone, and the message of an error.
            func classified(_ backbone: String, _ overrides: String...) throws -> (losses: [Double], errors: String) {
                let run = try TinyRun(in: "\(folder)/\(UUID().uuidString)")
                let outcome = try kaon(
                    [
                        "finetune", run.folder + "/tiny.yaml", "objective=classification", "~tasks", "~model",
                        "~preprocessing", "backbone=\(backbone)", "backbone_mode=fixed",
                        "head={name: weighted_pooling}",
                    ] + overrides)
                guard outcome.code == 0 else { return ([], outcome.errors) }
                return (try #require(metrics(run.directory)["train/total_loss"]), outcome.errors)
            }
            let backbone = try pretrained("backbone")
            let (kept, left) = try (
                classified(backbone), classified(backbone, "model.position_in_backbone=false")
            )
            #expect(!kept.losses.isEmpty && kept.losses.count == left.losses.count, "\(kept.errors)\(left.errors)")
            #expect(kept.losses != left.losses)
            let added = try classified(try pretrained("none"), "model.position_in_backbone=true")
            #expect(added.losses.isEmpty && added.errors.contains("the model differs from that of the backbone"))
        }
    }

    /// A run that continues has the weights of its checkpoint: another origin of them needs another folder.
    @Test func otherWeightsNeedAnotherFolder() throws {
        try withScratchFolder { folder in
            func pretrained(_ name: String, seed: Int) throws -> String {
                let run = try TinyRun(in: "\(folder)/\(name)")
                #expect(try kaon(run.arguments(["training.steps=2", "seed=\(seed)"])).code == 0)
                return run.latest
            }
            let (first, second) = (try pretrained("a", seed: 1), try pretrained("b", seed: 2))
            let run = try TinyRun(in: "\(folder)/tuned")
            func tuned(_ overrides: String...) throws -> KaonProcess.Outcome {
                try kaon(
                    [
                        "finetune", run.folder + "/tiny.yaml", "objective=classification", "~tasks", "~model",
                        "head={name: weighted_pooling}",
                    ] + overrides)
            }
            #expect(try tuned("backbone=\(first)", "backbone_mode=fixed").code == 0)
            let advice = "to start a new run with these settings, give run.directory another folder\n"
            let other = try tuned("backbone=\(second)", "backbone_mode=fixed", "training.steps=8")
            #expect(other.code == 1)
            #expect(other.errors.contains("was trained with backbone=\(first), and this run has \(second)\n"))
            #expect(other.output.contains(advice))
            let scratch = try tuned("backbone=\(first)", "backbone_mode=scratch", "training.steps=8")
            #expect(scratch.code == 1)
            #expect(scratch.errors.contains("was trained with backbone_mode=fixed, and this run has scratch\n"))
            #expect(try tuned("backbone=\(first)", "backbone_mode=fine_tuned", "training.steps=8").code == 0)
        }
    }

    @Test func everyModeIsStated() throws {
        try withScratchFolder { folder in
            let backbone = try TinyRun(in: folder + "/pretrain")
            #expect(try kaon(backbone.arguments(["training.steps=2"])).code == 0)
            let latest = backbone.latest
            /// The line about the backbone, and all output.
            func run(_ overrides: [String], ranks: Int? = nil) throws -> (line: String, output: String) {
                let run = try TinyRun(in: "\(folder)/\(UUID().uuidString)")
                let arguments = ["finetune", run.folder + "/tiny.yaml", "objective=classification", "~tasks", "~model"]
                let outcome = try kaon(arguments + overrides, ranks: ranks)
                #expect(outcome.code == 0, "\(outcome.errors)")
                let lines = outcome.output.split(separator: "\n").filter { $0.hasPrefix("fine-tuning: ") }
                #expect(lines.count == 1)
                return (lines.first.map(String.init) ?? "", outcome.output)
            }
            let given = ["backbone=\(latest)"]
            let fixed = try run(given + ["backbone_mode=fixed"])
            let words = try #require(
                fixed.line.wholeMatch(
                    of:
                        /.*: backbone (.*); backbone_mode fixed, frozen for 6 of 6 steps; (\d+) .* trained, (\d+) .*/
                ))
            #expect(String(words.1) == latest)
            let all = Int(words.2)! + Int(words.3)!
            #expect(fixed.output.contains("model: classification, \(all) parameters"))
            let frozen = try run(given + ["backbone_mode=fine_tuned", "--dry-run"])
            #expect(
                frozen.line
                    == "fine-tuning: backbone \(latest); backbone_mode fine_tuned, frozen for 6 of 6 steps; \(words.2) "
                    + "parameters are trained, \(words.3) stay frozen")
            // A backbone that is frozen to the end is seldom meant.
            func warning(_ steps: Int) -> String {
                "warning: the backbone is never trained: fine_tuning.frozen_steps is \(steps), training.steps 6; lower "
                    + "the first, or set backbone_mode=fixed\n"
            }
            #expect(frozen.output.contains(warning(5000)), "\(frozen.output)")
            let toTheEnd = try run(given + ["backbone_mode=fine_tuned", "fine_tuning.frozen_steps=6"])
            #expect(toTheEnd.output.contains(warning(6)), "\(toTheEnd.output)")
            #expect(!fixed.output.contains("never trained"))
            let tuned = try run(given + ["fine_tuning.frozen_steps=2"], ranks: 2)
            #expect(!tuned.output.contains("never trained"))
            #expect(
                tuned.line
                    == "fine-tuning: backbone \(latest); backbone_mode fine_tuned, frozen for 2 of 6 steps; \(all) "
                    + "parameters are trained, 0 stay frozen")
            #expect(
                tuned.output.contains(
                    "warning: backbone_mode is not given: the backbone is fine_tuned; set backbone_mode to fixed, "
                        + "fine_tuned or scratch\n"))
            #expect(!fixed.output.contains("backbone_mode is not given"))
            let scratch = try run(given + ["backbone_mode=scratch", "--dry-run"])
            #expect(
                scratch.line
                    == "fine-tuning: backbone random initial weights, with shape and preprocessing of \(latest); "
                    + "backbone_mode scratch, frozen for 0 of 6 steps; \(all) parameters are trained, 0 stay frozen")
        }
    }

    @Test(arguments: [nil, 2]) func aForgottenBackboneIsAnError(ranks: Int?) throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let arguments = run.arguments("classification").filter { $0 != "backbone_mode=scratch" }
            let outcome = try kaon(arguments, ranks: ranks)
            #expect(outcome.code == 1)
            let message =
                "backbone_mode: missing, and no backbone is given: add backbone=CHECKPOINT of a pre-training, or "
                + "backbone_mode=scratch to train from random initial weights"
            #expect(outcome.complaints.count == 1 && outcome.errors.contains(message), "\(outcome.errors)")
            #expect(!FileManager.default.fileExists(atPath: run.directory))
        }
    }

    /// An export for another program, and folders of checkpoints, are refused before anything is written.
    @Test func whatIsNoBackboneIsNamed() throws {
        try withScratchFolder { folder in
            let backbone = try TinyRun(in: folder + "/pretrain")
            #expect(try kaon(backbone.arguments(["training.steps=1"])).code == 0)
            let export = folder + "/public.safetensors"
            let names = ["export", backbone.latest, "--names", "jetssl-2024-10", "--output", export]
            #expect(try kaon(names).code == 0)
            let run = try TinyRun(in: folder)
            let arguments = ["finetune", folder + "/tiny.yaml", "objective=classification", "~tasks", "~model"]
            for (path, message) in [
                (
                    export,
                    "was exported with --names jetssl-2024-10, without what kaon needs besides the weights: export it "
                        + "without --names, or convert it with kaon-import"
                ),
                (
                    backbone.directory + "/checkpoints",
                    "is the folder of the checkpoints of a run; name one of them, such as \(backbone.latest)"
                ),
            ] {
                let outcome = try kaon(arguments + ["backbone=\(path)", "backbone_mode=fixed"])
                #expect(outcome.code == 1 && outcome.complaints == ["Error: \(path) \(message)"], "\(outcome.errors)")
                #expect(!FileManager.default.fileExists(atPath: run.directory))
            }
        }
    }

    /// The template of a downstream task lacks nothing but the checkpoint.
    @Test func aTemplateStatesTheMode() throws {
        try withScratchFolder { folder in
            let path = folder + "/task.yaml"
            #expect(try kaon(["init", path, "--objective", "vertexing"]).code == 0)
            let text = try String(contentsOfFile: path, encoding: .utf8)
            #expect(text.contains("\nbackbone_mode: fine_tuned "))
            let outcome = try kaon(["finetune", path])
            #expect(outcome.code == 1)
            #expect(outcome.errors.contains("backbone: there is no checkpoint CHECKPOINT; name one that"))
        }
    }
}
