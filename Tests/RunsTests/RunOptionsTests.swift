import Configuration
import Foundation
import NN
import Objectives
import RunSupport
import Runs
import System
import Tensors
import TestSupport
import Testing

@Suite struct RunOptionsTests {
    private let shortest = "{data: {train: train.h5}, tasks: {kmeans: {}}}"

    /// The configuration that the design promises.
    private let complete = """
        seed: 0
        run: {directory: runs/quickstart, resume: auto, time_limit: null}
        data: {train: [train.h5], validation: [val.h5], test: [test.h5], features: all, max_constituents: 128,
               classes: all, jets: all, shuffle: true}
        objective: mpm_v2
        backbone: null
        model: {encoder: {width: 512, layers: 8, heads: 8, feedforward_multiplier: 2, registers: 8,
                          layer_scale: 1.0e-3, dropout: 0, final_norm: true},
                decoder: {width: 256, layers: 4, heads: 4}, initial_weights: null}
        masking: {fraction: 0.4, strategy: random}
        tasks: {particle_id: {weight: 0.3}, kmeans: {clusters: 16384, label_smoothing: 0.1}}
        optimizer: {name: adamw, learning_rate: 1.0e-3, weight_decay: 1.0e-5, gradient_clip: 1.0}
        schedule: {name: warmup_exponential, warmup_steps: 50000, half_life: 100000}
        training: {steps: 1000000, batch_size: 1000, micro_batch_size: auto, validation_interval: 5000,
                   checkpoint_interval: 5000, log_interval: 50, keep_last: 3, keep_every: null,
                   max_skipped_steps: 10}
        parallel: {threads: auto}
        """

    /// A downstream task takes all keys of its inputs from the backbone.
    @Test(arguments: [
        "{name: kmeans, clusters: 96, fit_jets: 777, iterations: 3}", "{name: bins, bins: 12, spacing: uniform}",
    ])
    func inputsOfTheBackbone(inputs: String) throws {
        let backbone = try runOptions(
            "{data: {train: t.h5}, objective: mpm_v1, tasks: {kmeans: {}}, model: {inputs: \(inputs)}}")
        let task = "{data: {train: t.h5}, objective: classification, backbone: x.h5, backbone_mode: fixed}"
        let options = try runOptions(task, pretrained: .init(backbone: backbone))
        #expect(options.objective.backbone?.inputs == backbone.objective.backbone?.inputs)
        let text = failure {
            _ = try runOptions(task, ["model.inputs.name=raw"], pretrained: .init(backbone: backbone))
        }
        #expect(text.contains("the model differs from that of the backbone"), "\(text)")
    }

    /// Learned positions are as many as the constituents that the backbone was trained with; a set has any number.
    @Test func positionsOfTheBackbone() throws {
        func complaint(_ position: String, _ mode: String) throws -> String {
            let backbone = try runOptions(
                "{data: {train: t.h5}, objective: mpm_v1, tasks: {kmeans: {}}, model: {position: \(position)}}")
            let task = "{data: {train: t.h5}, objective: classification, backbone: x.h5, backbone_mode: \(mode)}"
            #expect(try runOptions(task, pretrained: .init(backbone: backbone)).data.maxConstituents == 128)
            return failure {
                _ = try runOptions(task, ["data.max_constituents=20"], pretrained: .init(backbone: backbone))
            }
        }
        #expect(
            try complaint("backbone", "fixed").hasSuffix(
                "data.max_constituents: the backbone has learned positions of up to 128 constituents; leave the key out"
            ))
        #expect(try complaint("backbone", "scratch").isEmpty && complaint("head", "fixed").isEmpty)
    }

    /// The kinds of constituents are those of the backbone; weights of them have to be as many.
    @Test func identities() throws {
        let events =
            "{data: {train: t.h5, identities: [jet, muon, met]}, tasks: {particle_id: {class_weights: [1, 2, 3]}}}"
        let options = try runOptions(events)
        #expect(options.data.features.identities.names == ["jet", "muon", "met"])
        let model = options.makeObjective(classes: nil).parameters
        func shape(_ name: String) -> [Int]? { model.parameters.first { $0.name == name }?.shape }
        #expect(shape("embedding.identity.weight")?.first == 3)
        #expect(shape("tasks.particle_id.head.bias") == [3])
        let text = failure { _ = try runOptions(events, ["tasks.particle_id.class_weights=[1,2]"]) }
        #expect(text.contains("class_weights: has 2 weights; give one for each of jet, muon, met"), "\(text)")
        let eight = failure { _ = try runOptions(complete, ["tasks.particle_id.class_weights=[1,2]"]) }
        #expect(eight.contains("give one for each of photon, negative hadron"), "\(eight)")
        let task = "{data: {train: t.h5}, objective: classification, backbone: x.h5, backbone_mode: fixed}"
        let tuned = try runOptions(task, pretrained: .init(backbone: options))
        #expect(tuned.data.features.identities.names == ["jet", "muon", "met"])
        let other = failure {
            _ = try runOptions(task, ["data.identities=[jet,met]"], pretrained: .init(backbone: options))
        }
        #expect(other.contains("was trained on jet, muon, met; leave the key out"), "\(other)")
    }

    @Test func theCompleteExampleDecodes() throws {
        let options = try runOptions(complete)
        #expect(options.seed == 0)
        #expect(options.run.directory == "runs/quickstart" && options.run.resume == .auto)
        #expect(options.data.train == ["train.h5"])
        #expect(options.data.validation == ["val.h5"] && options.data.test == ["test.h5"])
        #expect(
            options.data.features.count == 7 && options.data.maxConstituents == 128 && options.data.shuffle)
        guard case .mpmV2(let model) = options.objective else {
            Issue.record("\(options.objective.name) is another objective")
            return
        }
        #expect(model.encoder.width == 512 && model.encoder.layers == 8 && model.encoder.heads == 8)
        #expect(model.encoder.registers == 8 && model.encoder.layerScale == 1e-3 && model.encoder.finalNorm)
        #expect(model.decoder.width == 256 && model.decoder.layers == 4 && model.decoder.heads == 4)
        #expect(options.initialWeights == nil)
        #expect(model.masking == .random(fraction: 0.4))
        #expect(model.tasks[ParticleIdentification.Options.self]?.weight == 0.3)
        #expect(model.tasks[Regression.Options.self] == nil)
        let kmeans = try #require(model.tasks[KMeansTaskOptions.self])
        #expect(kmeans.tokens.clusters == 16384 && kmeans.task.labelSmoothing == 0.1)
        #expect(options.optimizer.learningRate == 1e-3 && options.optimizer.gradientClip == 1)
        #expect(options.optimizer.rule == .adamW(AdamW.Options(weightDecay: 1e-5)))
        #expect(options.schedule == .warmupExponential(warmupSteps: 50000, halfLife: 100000))
        #expect(options.training.steps == 1_000_000 && options.training.batchSize == 1000)
        #expect(options.training.microBatchSize == 64 && options.training.validationInterval == 5000)
        #expect(options.training.checkpointInterval == 5000 && options.training.logInterval == 50)
        #expect(options.training.validationJets == nil && options.threads == nil)
        #expect(options.training.keepLast == 3 && options.training.keepEvery == nil)
        #expect(options.training.maxSkippedSteps == 10 && options.run.timeLimit == nil)
    }

    /// The example writes out the defaults; only what has none is left in the shortest configuration.
    @Test func theDefaultsAreThoseOfTheExample() throws {
        let defaults = try runOptions(shortest)
        let example = try runOptions(
            complete,
            ["data.validation=[]", "data.test=[]", "run.directory=runs/x", "~tasks.particle_id"])
        #expect(defaults.resolved == example.resolved)
        #expect(defaults.run.directory == "runs/x")
    }

    @Test func aResolvedConfigurationSaysTheSameAgain() throws {
        let options = try runOptions(complete, ["optimizer.gradient_clip=null", "parallel.threads=3"])
        let again = try runOptions(options.resolved)
        #expect(again.resolved == options.resolved)
        #expect(again.optimizer.gradientClip == nil && again.threads == 3)
    }

    @Test(arguments: [
        ("run.resume=never", RunOptions.Run.Resume.never), ("run.resume=auto", .auto),
        ("run.resume=a/b.h5", .checkpoint("a/b.h5")),
    ])
    func resume(override: String, expected: RunOptions.Run.Resume) throws {
        #expect(try runOptions(shortest, [override]).run.resume == expected)
    }

    @Test(
        arguments: [
            ("23:50:00", 85_800), ("2h", 7200), ("90m", 5400), ("1.5d", 129_600), ("45 s", 45), ("600", 600),
            ("0.5", 0.5), ("1-12:00:00", 129_600), ("null", nil),
        ] as [(String, Double?)])
    func timeLimit(text: String, seconds: Double?) throws {
        let options = try runOptions(shortest, ["run.time_limit=\(text)"])
        #expect(options.run.timeLimit == seconds)
        #expect(try runOptions(options.resolved).run.timeLimit == seconds)
    }

    /// A sweep over `data.jets` would train the same model again and again.
    @Test(arguments: [("data.jets=10", "data.jets"), ("data.classes=[Hbb]", "data.classes")])
    func weakSupervisionChoosesItsJetsItself(override: String, key: String) throws {
        let cwola = """
            {objective: cwola, backbone_mode: scratch, cwola: {background: [QCD], signal: [Tbqq]},
             data: {train: [train.h5]}}
            """
        _ = try runOptions(cwola)
        let complaint = failure { _ = try runOptions(cwola, [override]) }
        #expect(complaint.contains(key) && complaint.contains("cwola.signal_jets"), "\(complaint)")
    }

    /// A downstream task takes `null` over from its backbone, too.
    @Test func layerScaleIsTakenFromTheBackbone() throws {
        let pretrained = RunOptions.Pretrained(backbone: try runOptions(shortest, ["model.encoder.layer_scale=null"]))
        let yaml = "{objective: classification, backbone: x.h5, data: {train: train.h5}}"
        let options = try runOptions(yaml, [], pretrained: pretrained)
        #expect(options.resolved.contains("layer_scale: null"))
    }

    @Test func everySectionCanBeChanged() throws {
        let options = try runOptions(
            shortest,
            [
                "seed=7", "data.shuffle=false", "data.features=[pt, dphi]", "preprocessing.jets=10",
                "preprocessing.quantiles=20", "schedule.name=constant", "optimizer.beta1=0.8",
                "optimizer.beta2=0.9",
                "optimizer.epsilon=1e-6", "optimizer.weight_decay=0", "training.validation_jets=5",
                "tasks.regression={weight: 2}", "model.initial_weights=w.h5",
                "model.encoder.layer_scale=null",
            ])
        #expect(options.seed == 7 && !options.data.shuffle && options.data.features.names == ["pt", "dphi"])
        #expect(options.preprocessing.jets == 10 && options.preprocessing.quantiles == 20)
        #expect(options.schedule == .constant)
        #expect(
            options.optimizer.rule
                == .adamW(AdamW.Options(weightDecay: 0, beta1: 0.8, beta2: 0.9, epsilon: 1e-6)))
        guard case .mpmV2(let model) = options.objective else {
            Issue.record("\(options.objective.name) is another objective")
            return
        }
        #expect(options.training.validationJets == 5 && model.tasks[Regression.Options.self]?.weight == 2)
        #expect(options.initialWeights == "w.h5" && model.encoder.layerScale == nil)
    }

    @Test(arguments: [
        (
            "model.encoder.widht=3",
            "on the command line: model.encoder.widht: unknown key; did you mean 'width'?"
        ),
        ("model.decoder.registers=3", "model.decoder.registers: unknown key"),
        (
            "optimiser.learning_rate=1",
            "on the command line: optimiser: unknown key; did you mean 'optimizer'?"
        ),
        ("tasks.kmean={}", "tasks.kmean: unknown key; did you mean 'kmeans'?"),
        ("learning_rate=1", "learning_rate: unknown key; did you mean 'optimizer.learning_rate'?"),
        ("training.batchsize=4", "training.batchsize: unknown key; did you mean 'batch_size'?"),
        (
            "run.dir=x",
            "run.dir: unknown key; known keys: name, directory, resume, log_ranks, wait_for_debugger, time_limit"
        ),
        ("parallel.ranks=2", "parallel.ranks: unknown key"),
    ])
    func unknownKeysAreNamed(override: String, message: String) {
        #expect(failure { _ = try runOptions(shortest, [override]) }.contains(message))
    }

    @Test(arguments: [
        ("training.steps=many", "training.steps: expected an integer, found the string 'many'"),
        ("training.steps=-1", "training.steps: must be from 0 to"),
        ("training.batch_size=0", "training.batch_size: must be from 1 to"),
        ("training.log_interval=0", "training.log_interval: must be from 1 to"),
        ("training.micro_batch_size=1.5", "training.micro_batch_size: expected an integer"),
        ("training.keep_last=0", "training.keep_last: must be from 1 to"),
        ("training.max_skipped_steps=-1", "training.max_skipped_steps: must be from 0 to"),
        ("run.time_limit=23:50", "run.time_limit: expected a time such as 2h, 90m, 23:50:00 or a number of seconds"),
        ("run.time_limit=0", "run.time_limit: must be greater than 0"),
        ("run.time_limit=1 week", "run.time_limit: expected a time"),
        ("optimizer.learning_rate=-1e-3", "optimizer.learning_rate: must be at least 0"),
        ("optimizer.beta1=1", "optimizer.beta1: must be at least 0 and less than 1"),
        ("optimizer.beta2=1", "optimizer.beta2: must be at least 0 and less than 1"),
        ("optimizer.epsilon=0", "optimizer.epsilon: must be from 1e-37 to 1"),
        (
            "optimizer.gradient_clip=0",
            "optimizer.gradient_clip: must be greater than 0, found 0; null is no limit"
        ),
        ("optimizer.name=sgd", "optimizer.name: expected one of adamw"),
        ("schedule.name=cosine", "schedule.name: expected one of constant, warmup_exponential"),
        ("schedule.half_life=0", "schedule.half_life: must be greater than 0"),
        ("objective=mpm_v3", "objective: expected one of mpm_v1, mpm_v2"),
        ("backbone=x.h5", "backbone: mpm_v2 pre-trains from fresh weights"),
        ("data.train=[]", "data.train: no training file is given"),
        ("data.features=[pt, mass, pt]", "data.features: feature 'pt' is named twice"),
        ("data.max_constituents=0", "data.max_constituents: must be from 1 to 16384"),
        ("data.max_constituents=16385", "data.max_constituents: must be from 1 to 16384"),
        ("data.shuffle=maybe", "data.shuffle: expected true or false"),
        (
            "masking={strategy: uniform, range: [0.5, 0.4]}",
            "masking.range: expected the lowest and the highest"
        ),
        ("masking={strategy: radius, radius: 0}", "masking.radius: must be greater than 0"),
        ("masking={strategy: radius, fraction: 0.4}", "masking.fraction: unknown key"),
        (
            "masking.strategy=block",
            "masking.strategy: expected one of random, pt_fraction, uniform, nearest, radius"
        ),
        ("data.jets=0", "data.jets: must be at least 1"),
        ("data.classes=[QCD, QCD]", "data.classes: the class 'QCD' is named twice"),
        ("masking.fraction=1.5", "masking.fraction: must be from 0 to 1"),
        ("model.encoder.heads=7", "model.encoder.heads: a width of 512 cannot be divided among 7 heads"),
        ("model.encoder.dropout=0.1", "model.encoder.dropout: must be"),
        (
            "model.encoder.pairs={features: [ln_pt]}",
            "model.encoder.pairs.features: unknown pair feature 'ln_pt'; the features are ln_dr, ln_kt, ln_z, ln_m2"
        ),
        ("model.encoder.pairs={features: []}", "model.encoder.pairs.features: no feature is named"),
        ("model.encoder.pairs={features: [ln_z, ln_z]}", "model.encoder.pairs.features: pair feature 'ln_z' is named"),
        ("model.encoder.pairs={widths: [0]}", "model.encoder.pairs.widths"),
        ("model=3", "model: expected a section, found the integer 3"),
        ("tasks={}", "tasks: no task to train; give at least one of particle_id, regression, bins, kmeans"),
        ("tasks={kmeans: null}", "tasks: no task to train"),
        ("parallel.threads=0", "parallel.threads: must be from 1 to 1024"),
        ("parallel.virtual_shards=6", "parallel.virtual_shards: expected a power of two, found 6"),
        ("parallel.watchdog.silence=0", "parallel.watchdog.silence: must be from 0.1 to"),
        ("run.log_ranks=some", "run.log_ranks: expected one of first, all"),
        ("training.overfit_batches=0", "training.overfit_batches: must be from 1 to"),
        ("run.directory=''", "run.directory: is empty"),
        ("seed=-1", "seed: must be at least 0"),
    ])
    func badValuesAreNamed(override: String, message: String) {
        let text = failure { _ = try runOptions(shortest, [override]) }
        #expect(text.contains("on the command line: " + message), "\(text)")
        #expect(!text.contains("\n"))
    }

    /// A coupling layer has two halves; other tasks take a single feature.
    @Test(arguments: ["mpm_v1", "mpm_v2"]) func aFlowNeedsTwoFeatures(objective: String) throws {
        func options(_ task: String, _ features: String) throws -> RunOptions {
            try runOptions(
                "{data: {train: t.h5}, objective: \(objective), tasks: {\(task): {}}}", ["data.features=\(features)"])
        }
        let text = failure { _ = try options("flow", "[pt]") }
        #expect(text.hasPrefix("on the command line: data.features: tasks.flow needs at least two"), "\(text)")
        #expect(try options("flow", "[pt, deta]").data.features.count == 2)
        #expect(try options("flow_matching", "[pt]").data.features.count == 1)
    }

    /// A rate close to 1 would leave nothing.
    @Test(arguments: [
        ("objective: mpm_v1, tasks: {kmeans: {}}", "model.encoder.dropout"),
        ("objective: vqvae", "model.decoder.dropout"),
        ("objective: classification, backbone_mode: scratch", "head.dropout"),
        ("objective: track_origin, backbone_mode: scratch", "head.dropout"),
    ])
    func dropoutRates(objective: String, key: String) throws {
        func options(_ rate: String) throws -> RunOptions {
            try runOptions("{data: {train: t.h5}, \(objective)}", ["\(key)=\(rate)"])
        }
        _ = try options("0.99998")
        let text = failure { _ = try options("0.99999999") }
        #expect(text == "on the command line: \(key): must be from 0 to 0.99998, found 0.99999999")
    }

    @Test func whatIsMissingIsNamedWithItsPlace() {
        #expect(
            failure { _ = try runOptions("tasks: {kmeans: {}}\ndata: {validation: v.h5}") }
                == "x.yaml:2: data.train: missing; expected a list of strings")
    }

    /// The section is optional; a pre-training that encodes masked constituents refuses it.
    @Test func pairsOfConstituents() throws {
        func pairs(_ text: String) throws -> [String] {
            let options = try runOptions("{data: {train: x}, model: {encoder: {\(text)}}, tasks: {regression: {}}}")
            return options.configuration.settings.filter { $0.isIn(["model.encoder.pairs"]) }.map(\.value)
        }
        #expect(try pairs("") == ["null"])
        #expect(try pairs("pairs: null") == ["null"])
        #expect(try pairs("pairs: {}") == ["[ln_dr, ln_kt, ln_z, ln_m2]", "[64, 64, 64]"])
        #expect(try pairs("pairs: {features: [ln_m2, ln_z], widths: []}") == ["[ln_m2, ln_z]", "[]"])
        let complaint = failure {
            _ = try runOptions(
                "{objective: mpm_v1, data: {train: x}, model: {encoder: {block: transformer, pairs: {}}}, "
                    + "tasks: {regression: {}}}")
        }
        #expect(complaint.contains("model.encoder.pairs: mpm_v1 encodes masked constituents too"))
    }
}

/// The choice of `training.micro_batch_size`.
@Suite struct MicroBatchSizeTests {
    /// The choice for a classifier of jets, for caches that hold its weights only if the third level is given [MiB].
    private func size(
        width: Int, layers: Int = 4, constituents: Double = 40, threads: Int = 1, second: Int = 1, third: Int = 0,
        precision: Precision = .single
    ) throws -> Int {
        let options = try runOptions(
            "{objective: classification, backbone_mode: scratch, data: {train: x}, "
                + "model: {encoder: {width: \(width), layers: \(layers), heads: 8, registers: 8}}}")
        return RunOptions.microBatchSize(
            options.objective, constituents: constituents, precision: precision, threads: threads,
            caches: ProcessorCaches(secondLevel: second << 20, thirdLevelShare: third << 20))
    }

    @Test func activationsOfALayerFillTheSecondLevelCache() throws {
        #expect(try size(width: 256) == 26)
        #expect(try size(width: 256, second: 2) == 51)
        // Never fewer than 640 constituents, nor more than 4096.
        #expect(try size(width: 512) == 16)
        #expect(try size(width: 32, layers: 200) == 102)
        // Two threads share the products, and their pieces are smaller.
        #expect(try size(width: 512, threads: 2) == 64)
        // Sets of thousands are taken one by one, as are those of which a sample is empty.
        #expect(try size(width: 512, constituents: 3000) == 1)
        #expect(try size(width: 512, constituents: 0) == 640)
    }

    @Test func activationsOfAllLayersFillHalfTheCachesThatHoldTheWeights() throws {
        // 2.6 MB of weights; 48 tokens with 14 · 128 numbers and 8 · 48 probabilities each, in 4 layers: 1.7 MB a jet.
        #expect(try size(width: 128, third: 3) == 6)
        #expect(try size(width: 128, third: 31) == 10)
        #expect(try size(width: 128, third: 31, precision: .bfloat16) == 17)
        #expect(try size(width: 128, threads: 2, third: 31) == 40)
        // Never more than without the third level.
        #expect(try size(width: 128, third: 1000) == size(width: 128, layers: 40))
        // 39 MB of weights.
        #expect(try size(width: 512, layers: 4, third: 31) == size(width: 512))
    }

    @Test(arguments: ObjectiveOptions.Name.allCases) func theWidthIsThatOfTheEncoder(
        objective: ObjectiveOptions.Name
    ) throws {
        var configuration = try Configuration(yaml: "", name: "the test")
        for setting in KeyExplorer.minimalSettings(objective) + ["model.encoder.width=48", "model.encoder.heads=4"] {
            try configuration.override(setting)
        }
        #expect(try RunOptions(configuration, name: "test").objective.width == 48)
    }
}
