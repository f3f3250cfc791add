import Foundation
import Testing

/// Checkpoints that do not fit and directories that cannot be used are named, and what is there stays as it
/// is.
@Suite(.serialized) struct RunDirectoryErrorTests {
    /// A run that is done, to be continued wrongly.
    private func withFinishedRun(_ body: (TinyRun) throws -> Void) throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            #expect(try kaon(run.arguments()).code == 0)
            try body(run)
        }
    }

    /// - Parameter changes: the line about the keys that have changed; nil for none.
    private func expectRefusal(
        _ run: TinyRun, _ overrides: [String], ranks: [Int?] = [nil, 2], _ message: String, changes: String? = nil,
        at location: SourceLocation = #_sourceLocation
    ) throws {
        let before = try run.contents()
        for ranks in ranks {
            let outcome = try kaon(run.arguments(overrides), ranks: ranks, at: location)
            #expect(outcome.code == 1, sourceLocation: location)
            #expect(outcome.complaints.count == 1, "\(outcome.errors)", sourceLocation: location)
            #expect(outcome.complaints.first == "Error: " + message, sourceLocation: location)
            let lines = outcome.output.split(separator: "\n").filter { $0.hasPrefix("changed since ") }
            let expected = changes.map { "changed since \(run.directory)/checkpoints/step-00000006.h5: \($0)" }
            #expect(lines.map(String.init) == (expected.map { [$0] } ?? []), sourceLocation: location)
        }
        #expect(try run.contents() == before, sourceLocation: location)
    }

    @Test func aCheckpointThatDoesNotFitIsNamed() throws {
        try withFinishedRun { run in
            let latest = run.directory + "/checkpoints/step-00000006.h5"
            try expectRefusal(
                run, ["model.encoder.width=8", "training.steps=9"],
                "\(latest) is a checkpoint of another model: embedding.continuous.weight has shape [16, 7], this model "
                    + "has [8, 7]", changes: "model.encoder.width: 16 → 8; training.steps: 6 → 9")
            try expectRefusal(
                run, ["model.encoder.layers=2"], ranks: [nil],
                "\(latest) is a checkpoint of another model: it has no parameter "
                    + "encoder.layers.1.attention.output.bias",
                changes: "model.encoder.layers: 1 → 2")
            try expectRefusal(
                run, ["~tasks.particle_id"], ranks: [nil],
                "\(latest) is a checkpoint of another model: it has a parameter tasks.particle_id.head.bias",
                changes: "tasks.particle_id.weight: 0.3 → null; tasks.particle_id.label_smoothing: 0.1 → null")
            try expectRefusal(
                run, ["data.features=[pt, deta, dphi]"], ranks: [nil],
                "\(latest) was trained on the features pt, deta, dphi, d0, d0err, dz, dzerr; data.features is pt, "
                    + "deta, dphi",
                changes: "data.features: [all] → [pt, deta, dphi]")
            let now = "1000 jets, shuffled, seed 0, files of 2 blocks of up to 960 jets"
            try expectRefusal(
                run, ["training.batch_size=50"],
                "\(latest) was trained on batches of 20 of \(now); this run has batches of 50 of \(now), so it cannot "
                    + "continue with the next jet: set model.initial_weights to the checkpoint to start a new run with "
                    + "its weights", changes: "training.batch_size: 20 → 50")
            try expectRefusal(
                run, ["optimizer.name=lion"], ranks: [nil],
                "\(latest) is a checkpoint of optimizer adamw; this run has optimizer lion",
                changes:
                    "optimizer.name: adamw → lion; optimizer.beta2: 0.999 → 0.99; optimizer.epsilon: 1.0e-08 → null")
            try expectRefusal(
                run, ["run.resume=never"],
                "run.resume is never, but \(run.directory) already holds \(latest); remove the run or give "
                    + "run.directory another folder")
        }
    }

    @Test func aCheckpointThatIsGivenIsChecked() throws {
        try withFinishedRun { run in
            let latest = run.directory + "/checkpoints/step-00000006.h5"
            let other = try TinyRun(in: run.folder + "/other")
            func refusal(_ overrides: [String]) throws -> [String] {
                let outcome = try kaon(other.arguments(overrides))
                #expect(outcome.code == 1)
                return outcome.complaints
            }
            #expect(
                try refusal(["run.resume=\(latest)", "model.encoder.width=8"]) == [
                    "Error: \(latest) is a checkpoint of another model: embedding.continuous.weight has shape [16, 7], "
                        + "this model has [8, 7]"
                ])
            #expect(
                try refusal(["run.resume=/no.h5"]) == [
                    "Error: run.resume: there is no checkpoint /no.h5; run.resume=auto continues from the latest one "
                        + "of run.directory"
                ])
            #expect(
                try refusal(["run.resume=\(sample("val"))"])
                    == ["Error: \(sample("val")) is not a checkpoint of kaon"])
            #expect(
                try refusal(["model.initial_weights=\(latest)", "model.encoder.width=8"]) == [
                    "Error: \(latest) is a checkpoint of another model: embedding.continuous.weight has shape [16, 7], "
                        + "this model has [8, 7]"
                ])
            // It fits, and the directory becomes that of a run of its own.
            let resumed = try kaon(other.arguments(["run.resume=\(latest)", "training.steps=8"]))
            #expect(resumed.code == 0)
            #expect(resumed.output.contains("continuing from \(latest) at step 6\n"))
            #expect(resumed.output.contains("changed since then: training.steps: 6 → 8\n"))
            let earlier = run.directory + "/checkpoints/step-00000004.h5"
            #expect(
                try refusal(["run.resume=\(earlier)"]) == [
                    "Error: run.resume is \(earlier), but \(other.directory) already holds "
                        + "\(other.directory)/checkpoints/step-00000008.h5; continue that with run.resume=auto, or "
                        + "give run.directory another folder"
                ])
            // The same checkpoint again: the run that has continued it goes on.
            let own = other.directory + "/checkpoints/step-00000008.h5"
            let again = try kaon(other.arguments(["run.resume=\(latest)", "training.steps=9"]))
            #expect(again.code == 0)
            #expect(
                again.output.contains(
                    "run.resume: this run has continued \(latest) up to \(own); to start from it again, give "
                        + "run.directory another folder\n"), "\(again.output)")
            #expect(again.output.contains("continuing from \(own) at step 8\n"))
        }
    }

    /// The fitted state of a checkpoint is kept, whatever the current configuration is.
    @Test func otherPreprocessingIsTold() throws {
        try withFinishedRun { run in
            let outcome = try kaon(run.arguments(["preprocessing.quantiles=60", "training.steps=8"]))
            #expect(outcome.code == 0)
            #expect(
                outcome.output.contains(
                    "changed since then: preprocessing.quantiles: 50 → 60; training.steps: 6 → 8\n"
                        + "warning: the checkpoint's weights, preprocessing and tokens are kept; without effect: "
                        + "preprocessing.quantiles: 50 → 60\n"), "\(outcome.output)")
        }
    }

    @Test func aDamagedCheckpointIsNamedAndPassedOver() throws {
        try withFinishedRun { run in
            let path = run.directory + "/checkpoints/step-00000006.h5"
            let whole = try Data(contentsOf: URL(fileURLWithPath: path))
            try whole.prefix(whole.count / 2).write(to: URL(fileURLWithPath: path))
            let before = try run.contents()
            // A checkpoint that is named explicitly is not replaced by another.
            let refused = try kaon(run.arguments(["training.steps=9", "run.resume=\(path)"]))
            #expect(refused.code == 1)
            #expect(
                refused.complaints.first?.hasPrefix("Error: HDF5 open \(path): the file is damaged or cut")
                    == true)
            #expect(
                refused.complaints.first?.hasSuffix("; run.resume may name another checkpoint to continue from")
                    == true)
            #expect(try run.contents() == before)
            let outcome = try kaon(run.arguments(["training.steps=9"]))
            #expect(outcome.code == 0)
            let earlier = run.directory + "/checkpoints/step-00000004.h5"
            #expect(
                outcome.output.contains(
                    "warning: a checkpoint is damaged: HDF5 open \(path): the file is damaged or cut"))
            #expect(outcome.output.contains("warning: the run goes back to \(earlier)\n"))
            #expect(outcome.output.contains("continuing from \(earlier) at step 4\n"))
        }
    }

    @Test func aPlaceThatCannotBeWrittenToIsNamed() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let file = folder + "/file"
            try "".write(toFile: file, atomically: true, encoding: .utf8)
            for (directory, reason) in [
                (file, "Not a directory"), (file + "/run", "Not a directory"),
                ("/proc/run", "/proc holds files of the kernel alone"),
            ] {
                for ranks in [nil, 2] {
                    let outcome = try kaon(run.arguments(["run.directory=\(directory)"]), ranks: ranks)
                    #expect(outcome.code == 1)
                    #expect(
                        outcome.complaints == [
                            "Error: cannot create the run directory \(directory): \(reason)"
                        ])
                }
            }
        }
    }

    /// A configuration in the run directory itself, or results of another program, are not replaced.
    @Test(arguments: ["config.yaml", "evaluation/metrics.json"]) func filesOfTheUserAreKept(name: String) throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let path = run.directory + "/" + name
            try FileManager.default.createDirectory(
                atPath: run.directory + "/evaluation", withIntermediateDirectories: true)
            try FileManager.default.copyItem(atPath: folder + "/tiny.yaml", toPath: path)
            let before = try Data(contentsOf: URL(fileURLWithPath: path))
            let file = name == "config.yaml" ? path : folder + "/tiny.yaml"
            let overrides = ["data.test=[\(sample("test"))]", "run.evaluate=best", "run.directory=\(run.directory)"]
            for (extra, ranks) in [([], nil), ([], 2), (["--dry-run"], nil)] as [([String], Int?)] {
                let outcome = try kaon(["pretrain", file] + overrides + extra, ranks: ranks)
                #expect(outcome.code == 1)
                #expect(
                    outcome.complaints == [
                        "Error: \(path) was not written by kaon, and the run would replace it; give run.directory "
                            + "another folder, or move the file"
                    ])
            }
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
            #expect(!FileManager.default.fileExists(atPath: run.directory + "/checkpoints"))
            #expect(try kaon(["pretrain", file, "run.directory=\(folder)/other"]).code == 0)
        }
    }

    @Test func aRunInUseIsLeftAlone() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let first = try KaonProcess(run.arguments(["training.steps=1000000"]))
            let metrics = run.directory + "/metrics.csv"
            try first.wait("the first row") {
                ((try? String(contentsOfFile: metrics, encoding: .utf8)) ?? "").split(separator: "\n").count
                    > 1
            }
            for ranks in [nil, 2] {
                let second = try kaon(run.arguments(), ranks: ranks)
                #expect(second.code == 1)
                #expect(second.complaints.count == 1)
                let expected =
                    "Error: the run directory \(run.directory) is in use by another run "
                    + "(process \(first.identifier) on "
                #expect(second.complaints.first?.hasPrefix(expected) == true)
            }
            first.send(SIGTERM)
            #expect(try first.outcome().code == 75)
        }
    }
}
