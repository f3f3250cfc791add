import Configuration
import Foundation
import HDF5
import Jets
import MPI
import RunSupport
import Runs
import Supervision
import System
import Tensors
import TestSupport
import Testing
import Training

/// Downstream tasks on a backbone that was pre-trained for some steps. Every test is collective.
@Suite(.serialized) struct DownstreamMPITests {
    /// Pre-trains, and hands the checkpoint to `body`.
    private func withBackbone(_ body: (_ folder: String, _ backbone: String) throws -> Void) throws {
        try withSharedFolder { folder in
            try train(tinyRun(folder + "/backbone", "training.steps=4"))
            try body(folder, checkpoint(folder + "/backbone", step: 4))
        }
    }

    /// The measures of a `metrics.json`.
    private func measures(_ path: String) throws -> [String: Double] {
        struct Report: Codable { var measures: [String: Double] }
        return try JSONDecoder().decode(Report.self, from: Data(contentsOf: URL(fileURLWithPath: path))).measures
    }

    /// A run of 16 steps; a fine-tuned backbone rests for 5 and catches up over 5 more.
    private func options(_ directory: String, backbone: String, _ overrides: String...) throws -> RunOptions {
        try options(directory, backbone: backbone, overrides)
    }

    private func options(_ directory: String, backbone: String, _ overrides: [String]) throws -> RunOptions {
        try runOptions(
            readingPretrained: """
                seed: 5
                run: {directory: \(directory)}
                data: {train: ["\(sample("val"))"], validation: ["\(sample("test"))"]}
                objective: classification
                backbone: \(backbone)
                fine_tuning: {frozen_steps: 5, catch_up_steps: 5}
                optimizer: {learning_rate: 5.0e-3}
                schedule: {name: constant}
                training: {steps: 16, batch_size: 37, micro_batch_size: 8, validation_interval: 8, validation_jets: 50,
                           checkpoint_interval: 1000, log_interval: 1}
                parallel: {threads: 1}
                """, overrides)
    }

    /// Validation jets are chosen like training jets: evenly from the classes, the same for the same seed.
    @Test func validationJetsAreBalanced() throws {
        try withBackbone { folder, backbone in
            func validation(_ overrides: String...) throws -> JetDataset {
                let options = try options(
                    folder + "/run", backbone: backbone, overrides + ["~training.validation_jets"])
                return try #require(RunData(options, on: world).validation)
            }
            let (few, again) = try (validation("data.validation_jets=20"), validation("data.validation_jets=20"))
            #expect(few.count == 20 && few.numbering == again.numbering)
            #expect(try few.classCounts().allSatisfy { $0 == 2 })
            let (other, all) = try (validation("data.validation_jets=20", "seed=6"), validation())
            #expect(other.count == 20 && other.numbering != few.numbering && all.count == 1000)
            #expect(try validation("data.validation_jets=5000").count == 1000)
            let chosen = try validation("data.validation_jets=21", "data.classes=[QCD, Tbl, Hbb]")
            #expect(try chosen.count == 21 && chosen.classCounts().filter { $0 == 7 }.count == 3)
            let run = folder + "/trained"
            try train(options(run, backbone: backbone, "training.steps=1", "data.validation_jets=12"))
            #expect(try MetricsTable(run).values("valid/classification_loss").count == 1)
        }
    }

    /// The configuration of a run includes that of the training of its backbone, also after the backbone is gone, and
    /// can be used for another run.
    @Test func theConfigurationOfTheBackboneTravels() throws {
        try withBackbone { folder, backbone in
            let key = RunOptions.backboneKey
            func check(_ configuration: Configuration, _ steps: String) {
                let part = configuration.section(under: key)
                #expect(configuration.value(of: "training.steps") == steps)
                #expect(part?.value(of: "training.steps") == "4" && part?.value(of: "masking.fraction") == "0.4")
                #expect(part?.section(under: key) == nil)
            }
            let run = folder + "/run"
            let first = try options(run, backbone: backbone, "training.steps=2")
            check(first.configuration, "2")
            try train(first)
            try check(Configuration(contentsOf: run + "/config.yaml"), "2")
            try check(Configuration(ofCheckpoint: checkpoint(run, step: 2)), "2")
            try check(RunOptions(ofCheckpoint: checkpoint(run, step: 2)).configuration, "2")
            let copied = try RunOptions.configuration(
                run + "/config.yaml", overrides: ["run.directory=\(folder)/copy", "training.steps=3"], on: .selfOnly)
            check(copied.configuration, "3")
            try world.barrier()
            if world.rank == 0 { try FileManager.default.removeItem(atPath: folder + "/backbone") }
            try world.barrier()
            let resumed = try options(run, backbone: backbone, "training.steps=4")
            check(resumed.configuration, "4")
            try train(resumed)
            let scratch = try runOptions(
                "{data: {train: t.h5}, objective: classification, backbone_mode: scratch, \(key): {seed: 1}}")
            #expect(scratch.configuration.section(under: key) == nil)
            let text = failure { _ = try runOptions("{data: {train: t.h5}, tasks: {kmeans: {}}, \(key): {seed: 1}}") }
            #expect(text.contains("unknown key"), "\(text)")
        }
    }

    @Test func aFixedBackboneStaysAsItIs() throws {
        try withBackbone { folder, backbone in
            try train(options(folder + "/run", backbone: backbone, "backbone_mode=fixed"))
            let before = try bits("model", of: backbone)
            let after = try bits("model", of: checkpoint(folder + "/run", step: 16))
            let shared = after.filter { !$0.key.hasPrefix("head.") }
            #expect(shared.count > 20 && shared.allSatisfy { before[$0.key] == $0.value })
            let losses = try MetricsTable(folder + "/run").values("train/classification_loss")
            #expect(losses.suffix(4).reduce(0, +) < losses.prefix(4).reduce(0, +))
        }
    }

    /// `kaon encode` reads each jet once: any number of jets is a single pass through the backbone, not one for each.
    @Test func encodingIsNotJetByJet() throws {
        try withBackbone { _, backbone in
            let (encoder, _) = try TrainedBackbone.read(
                backbone, RunOptions(ofCheckpoint: backbone), ModelFile.state(of: backbone).objective, average: false)
            func operations(_ counts: [Int]) -> Int {
                let offsets = Offsets(counts: counts)
                let batch = JetBatch(
                    jets: Array(counts.indices), epoch: 0, offsets: offsets,
                    values: Tensor(repeating: 0.5, shape: [offsets.tokens, 7]),
                    identities: [Int32](repeating: 0, count: offsets.tokens), labels: counts.map { _ in 0 })
                let profile = OperationProfile()
                let encoded = encoder(batch, phase: .validation, on: Tape(recording: false, profile: profile))
                // Two registers in front of every jet.
                #expect(encoded.offsets.tokens == offsets.tokens + 2 * counts.count)
                return profile.entries.values.reduce(0) { $0 + $1.calls }
            }
            #expect(operations([8]) > 0)
            #expect(operations([8, 3, 20, 1, 8]) == operations([8]))
        }
    }

    /// A range test trains a backbone that is frozen at first like one that is not.
    @Test func theRangeTestTrainsTheBackbone() throws {
        try withBackbone { folder, backbone in
            let range = try RateRange(first: 1e-4, last: 1e-2, steps: 20)
            let norms = try ["{frozen_steps: 5, catch_up_steps: 5}", "{frozen_steps: 0, catch_up_steps: 0}"].map {
                let options = try options(folder + "/run", backbone: backbone, "fine_tuning=\($0)")
                return try #require(try rateTest(options, range, in: silentContext())).points.map(\.gradientNorm)
            }
            #expect(norms[0].count == 20 && norms[0] == norms[1])
        }
    }

    /// Fine-tuning moves the backbone, but not before it is unfrozen; from scratch it begins elsewhere.
    @Test func aFineTunedBackboneMovesAfterItsRest() throws {
        try withBackbone { folder, backbone in
            let name = "encoder.layers.0.attention.qkv.weight"
            let before = try bits("model", of: backbone)[name]
            for (steps, moves) in [(5, false), (6, true)] {
                let run = folder + "/run-\(steps)"
                try train(options(run, backbone: backbone, "training.steps=\(steps)"))
                #expect(try (bits("model", of: checkpoint(run, step: steps))[name] != before) == moves)
            }
            let scratch = folder + "/scratch"
            try train(options(scratch, backbone: backbone, "backbone_mode=scratch", "training.steps=1"))
            #expect(try bits("model", of: checkpoint(scratch, step: 1))[name] != before)
        }
    }

    /// Stopped while the backbone rests, and while it catches up.
    @Test(arguments: [3, 7]) func aStoppedRunResumesExactly(stop: Int) throws {
        try withBackbone { folder, backbone in
            try train(options(folder + "/straight", backbone: backbone))
            try train(options(folder + "/resumed", backbone: backbone, "training.steps=\(stop)"))
            try train(options(folder + "/resumed", backbone: backbone))
            // The end of the first part has a validation of its own, which does not stay.
            try expectSameRun(folder + "/straight", folder + "/resumed", step: 16)
        }
    }

    /// In the second epoch, that of 28 steps is the first, every rank sees jets that others have seen before.
    @Test(arguments: [("fixed", 36), ("fine_tuned", 16), ("scratch", 16)])
    func anyNumberOfRanksTrainsTheSameModel(mode: String, steps: Int) throws {
        try withBackbone { folder, backbone in
            let (shared, alone) = (folder + "/shared", folder + "/alone-\(world.rank)")
            let overrides = ["backbone_mode=\(mode)", "training.steps=\(steps)"]
            try train(options(shared, backbone: backbone, overrides[0], overrides[1]))
            try train(options(alone, backbone: backbone, overrides[0], overrides[1]), on: .selfOnly)
            #expect(try difference("train/total_loss", shared, alone) < 1e-4)
            #expect(try difference("valid/accuracy", shared, alone) < 1e-9)
        }
    }

    /// Outputs for constituents and pairs, and class frequencies, are the same on any number of ranks, and
    /// so are the answers.
    @Test(arguments: [
        "{objective: vertexing, head: {width: 16, layers: 1, norm: true, dropout: 0.2, distances: backbone}}",
        "{objective: track_origin, head: {width: 16, norm: true, dropout: 0.2}}",
        "{objective: classification, head: {width: 16, heads: 2, dropout: 0.2}}",
        "{objective: regression, head: {width: 16, heads: 2, dropout: 0.2}, regression: {fit_jets: 300}}",
        "{objective: regression, head: {name: weighted_pooling}, "
            + "regression: {target: jets/num_csts, relative_to: jets/pt, loss: gaussian, fit_jets: 300}}",
        "{objective: cwola, head: {width: 16, heads: 2}, "
            + "cwola: {background: [light], signal: [b], signal_jets: 30, label_smoothing: 0.1}}",
    ])
    func tasksAreTheSameOnAnyNumberOfRanks(task: String) throws {
        try withBackbone { folder, backbone in
            let file = sample("btag")
            func options(_ name: String, _ steps: Int) throws -> RunOptions {
                var configuration = try Configuration(yaml: task, name: "x.yaml")
                for override in [
                    "run={directory: \(folder)/\(name)}", "backbone=\(backbone)",
                    "data={train: \(file), validation: \(file), test: \(file)}",
                    "fine_tuning={frozen_steps: 2, catch_up_steps: 2}",
                    "schedule={name: warmup_cosine, warmup_steps: 2}",
                    "training={steps: \(steps), batch_size: 37, micro_batch_size: 8, validation_interval: 4}",
                    "training.validation_jets=50", "training.log_interval=1", "parallel={threads: 1}",
                    "schedule.total_steps=20",
                ] { try configuration.override(override) }
                return try RunOptions(
                    configuration, name: "x", pretrained: .init(backbone: RunOptions(ofCheckpoint: backbone)))
            }
            let one = "alone-\(world.rank)"
            try train(options("shared", 8))
            try train(options(one, 8), on: .selfOnly)
            #expect(try difference("train/total_loss", folder + "/shared", folder + "/" + one) < 1e-4)
            let (shared, alone) = try (
                measures(folder + "/shared/evaluation/metrics.json"),
                measures(folder + "/\(one)/evaluation/metrics.json")
            )
            #expect(shared.keys.sorted() == alone.keys.sorted() && shared.count > 4)
            #expect(shared.allSatisfy { abs($0.value - alone[$0.key]!) <= 0.02 * abs($0.value) + 1e-3 })
            // Stopped at 5 steps, and gone on.
            try train(options("resumed", 5))
            try train(options("resumed", 8))
            try expectSameRun(folder + "/shared", folder + "/resumed", step: 8)
        }
    }

    /// The second epoch finds what the first has kept. Where nothing was kept, because there is no room or because the
    /// run begins again, it comes to the same; where nothing shall be kept, the noise is new.
    @Test func encodingsThatAreKeptAreThoseThatAreNot() throws {
        try withBackbone { folder, backbone in
            func run(_ name: String, _ override: String, steps: Int = 40) throws {
                let overrides = ["backbone_mode=fixed", "training.steps=\(steps)"]
                try train(options("\(folder)/\(name)", backbone: backbone, overrides[0], overrides[1], override))
            }
            try run("kept", "fine_tuning.cache=auto")
            try run("no-room", "fine_tuning.cache_limit=0")
            try run("resumed", "fine_tuning.cache=auto", steps: 33)
            try run("resumed", "fine_tuning.cache=auto")
            try expectSameRun(folder + "/kept", folder + "/no-room", step: 40)
            try expectSameRun(folder + "/kept", folder + "/resumed", step: 40)
            try run("never", "fine_tuning.cache=never")
            let losses = try ["kept", "never"].map {
                try MetricsTable("\(folder)/\($0)").values("train/classification_loss")
            }
            #expect(zip(losses[0].prefix(28), losses[1]).allSatisfy { abs($0 - $1) < 1e-5 * $0 })
            #expect(zip(losses[0].suffix(10), losses[1].suffix(10)).allSatisfy { abs($0 - $1) > 1e-5 * $0 })
        }
    }

    /// A checkpoint contains everything that its run took from the backbone.
    @Test func aRunNeedsItsBackboneOnce() throws {
        try withBackbone { folder, backbone in
            try train(options(folder + "/straight", backbone: backbone, "training.steps=8"))
            try train(options(folder + "/resumed", backbone: backbone, "training.steps=4"))
            try world.onRoot { try FileManager.default.removeItem(atPath: backbone) }
            try world.barrier()
            try train(options(folder + "/resumed", backbone: backbone, "training.steps=8"))
            try expectSameRun(folder + "/straight", folder + "/resumed", step: 8)
            #expect(
                failure { _ = try options(folder + "/new", backbone: backbone) }
                    == "backbone: there is no checkpoint \(backbone); name one that 'kaon pretrain' has written")
        }
    }

    /// With a learning rate of 0 the loss never falls.
    @Test func patienceEndsARun() throws {
        try withBackbone { folder, backbone in
            let run = folder + "/run"
            let overrides = [
                "optimizer.learning_rate=0", "training.validation_interval=2", "training.early_stopping_patience=3",
            ]
            try train(options(run, backbone: backbone, overrides[0], overrides[1], overrides[2]))
            #expect(try MetricsTable(run).values("step").max() == 8)
            #expect(FileManager.default.fileExists(atPath: checkpoint(run, step: 2)))
            #expect(
                try FileManager.default.destinationOfSymbolicLink(atPath: run + "/checkpoints/best")
                    == "step-00000002.h5")
            // Asked again, it does nothing more.
            try train(options(run, backbone: backbone, overrides[0], overrides[1], overrides[2]))
            #expect(try MetricsTable(run).values("step").max() == 8)
        }
    }

    /// Losses that are no numbers are not lower than others: the run ends in words, and where it was resumed too.
    @Test func lossesThatAreNoNumbersSpendThePatience() throws {
        try withBackbone { folder, backbone in
            // Finite weights, but features of the jets times them are not.
            func options(_ run: String, steps: Int) throws -> RunOptions {
                try self.options(
                    run, backbone: backbone, "optimizer.learning_rate=1e18", "optimizer.gradient_clip=null",
                    "training.max_skipped_steps=100", "training.validation_interval=1",
                    "training.early_stopping_patience=5", "training.steps=\(steps)", "fine_tuning.frozen_steps=0",
                    "fine_tuning.catch_up_steps=0", "training.checkpoint_interval=1")
            }
            let straight = folder + "/straight"
            try train(options(straight, steps: 16))
            let last = try MetricsTable(straight).values("step").max()!
            #expect(last < 16)
            try train(options(folder + "/resumed", steps: 3))
            try train(options(folder + "/resumed", steps: 16))
            #expect(try MetricsTable(folder + "/resumed").values("step").max() == last)
        }
    }

    /// The measures of predictions have the precision of the run, like its validation: they agree to rounding.
    @Test(.enabled(if: Precision.hasBFloat16)) func predictionsHaveThePrecisionOfTheRun() throws {
        try withBackbone { folder, backbone in
            let run = folder + "/run"
            let overrides = [
                "run.evaluate=latest", "data.test=[\(sample("test"))]", "training.validation_jets=null",
                "head.label_smoothing=0", "parallel.precision=bf16", "training.steps=8",
                "optimizer.learning_rate=0.01",
            ]
            try train(options(run, backbone: backbone, overrides))
            try evaluate(
                TrainedModel(checkpoint(run, step: 8), overrides: ["parallel.precision=fp32"]),
                output: folder + "/single", in: silentContext(world))
            try world.barrier()
            let validation = try MetricsTable(run).values("valid/classification_loss").last!
            let measures = try measures(run + "/evaluation/metrics.json")
            let single = try self.measures(folder + "/single/metrics.json")
            let (loss, predicted) = (measures["classification_loss"]!, measures["cross_entropy"]!)
            #expect(abs(loss - validation) < 1e-6 * validation)
            #expect(abs(predicted - validation) < 1e-6 * validation)
            #expect(abs(single["cross_entropy"]! - validation) > 1e-6 * validation)
        }
    }

    /// Validation and evaluation of a deterministic run add the same shards in the same order.
    @Test(.enabled(if: 4 % world.size == 0)) func aDeterministicEvaluationHasTheBitsOfTheValidation() throws {
        try withBackbone { folder, backbone in
            let run = folder + "/run"
            try train(
                options(
                    run, backbone: backbone,
                    [
                        "run.evaluate=latest", "data.test=[\(sample("test"))]", "training.validation_jets=null",
                        "parallel.deterministic=true", "training.steps=8",
                    ]))
            try world.barrier()
            let validation = try MetricsTable(run).values("valid/classification_loss").last!
            let loss = try #require(measures(run + "/evaluation/metrics.json")["classification_loss"])
            #expect(loss == validation)
        }
    }

    /// Errors, files and the checkpoint in `metrics.json`. The resamplings do not depend on the number of ranks.
    private func expectTheSameErrors(_ a: String, _ b: String, jets: Int) throws {
        struct Report: Codable {
            struct TestFile: Codable, Equatable { var path: String, jets: Int }
            var measures: [String: Double], errors: [String: Double], files: [TestFile], step: Int
        }
        let reports = try [a, b].map {
            let decoder = JSONDecoder()
            decoder.nonConformingFloatDecodingStrategy = .convertFromString(
                positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
            return try decoder.decode(Report.self, from: Data(contentsOf: URL(fileURLWithPath: $0 + "/metrics.json")))
        }
        let (first, second) = (reports[0], reports[1])
        for name in ["classification_loss", "accuracy", "balanced_accuracy", "cross_entropy", "auc", "auc_Tbqq"] {
            #expect(try #require(first.errors[name]) > 0, "\(name)")
        }
        let accuracy = try #require(first.measures["accuracy"])
        #expect(
            abs(first.errors["accuracy"]! - (accuracy * (1 - accuracy) / Double(jets)).squareRoot()) < 1e-9)
        #expect(first.errors.keys.sorted() == second.errors.keys.sorted())
        #expect(first.errors.allSatisfy { abs($0.value - second.errors[$0.key]!) <= 0.02 * $0.value + 1e-6 })
        #expect(first.files == [Report.TestFile(path: sample("test"), jets: jets)] && first.step == 16)
    }

    /// The rows in the file are those of jets with these labels (of Hbb, QCD and Tbqq).
    private func expectSpectators(_ path: String, labels: [Int]) throws {
        let file = try File(opening: path)
        let source = try File(opening: sample("test"))
        let rows = try file.root.read("index", as: Int.self)
        let names = try source.root.dataset("labels").stringsAttribute("names")
        let stored = try source.root.read("labels", as: Int.self)
        #expect(rows.map { names[stored[$0]] } == labels.map { ["Hbb", "QCD", "Tbqq"][$0] })
        #expect(try file.root.read("file", as: Int.self).allSatisfy { $0 == 0 })
        #expect(try file.root.stringsAttribute("files") == [sample("test")])
        let (copied, jets) = (try file.root.read("jets", as: Float.self), try source.root.read("jets", as: Float.self))
        let width = copied.count / rows.count
        #expect(width > 1 && copied == rows.flatMap { jets[$0 * width..<($0 + 1) * width] })
    }

    /// A subset of the classes in an order of one's own; evaluated on any number of ranks, from the checkpoint alone.
    @Test func evaluationNeedsNothingButTheCheckpoint() throws {
        try withBackbone { folder, backbone in
            let run = folder + "/run"
            try train(
                options(run, backbone: backbone, "data.classes=[Hbb,QCD,Tbqq]", "training.batch_size=16"))
            try world.onRoot { try FileManager.default.removeItem(atPath: backbone) }
            try world.barrier()
            for (ranks, name) in [(world, "all"), (Communicator.selfOnly, "alone-\(world.rank)")] {
                try evaluate(
                    TrainedModel(
                        checkpoint(run, step: 16), overrides: ["data.test=[\(sample("test"))]"]),
                    output: folder + "/" + name, in: silentContext(ranks))
            }
            try world.barrier()
            func read(_ name: String) throws -> (scores: [Float], labels: [Int]) {
                let file = try File(opening: folder + "/\(name)/predictions.h5")
                #expect(try file.root.stringsAttribute("classes") == ["Hbb", "QCD", "Tbqq"])
                return (try file.root.read("scores", as: Float.self), try file.root.read("labels", as: Int.self))
            }
            let (all, alone) = (try read("all"), try read("alone-\(world.rank)"))
            #expect(all.labels == alone.labels && Set(all.labels) == [0, 1, 2])
            #expect(all.scores.count == 3 * all.labels.count)
            try expectTheSameErrors(folder + "/all", folder + "/alone-\(world.rank)", jets: all.labels.count)
            try expectSpectators(folder + "/all/predictions.h5", labels: all.labels)
            #expect(zip(all.scores, alone.scores).allSatisfy { abs($0 - $1) < 1e-5 })
        }
    }
}
