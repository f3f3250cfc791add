import Configuration
import Foundation
import Jets
import NN
import Objectives

/// Everything that a configuration says about a training run.
package struct RunOptions: Sendable {
    /// `run`: where the run lives and whether it continues.
    package struct Run: Sendable {
        /// Where to start from.
        package enum Resume: Sendable, Equatable {
            /// From the run directory's latest checkpoint if it has one.
            case auto
            /// From the first step, in a run directory that has no checkpoint yet.
            case never
            /// From the given checkpoint.
            case checkpoint(String)
        }

        /// What the run is called, by default after the file of its configuration.
        package var name: String
        package var directory: String
        package var resume: Resume
        /// Whose messages go to a file: those of rank 0, or of every rank, each to its own.
        package var logRanks: LogRanks
        /// The rank that waits for a debugger before it begins; nil for none.
        package var waitForDebugger: Int?

        /// What is asked about the test files once all steps are done; nil for nothing.
        package var evaluated = Evaluated.never

        /// `run.evaluate`.
        package enum Evaluated: String, CaseIterable, Sendable {
            /// The checkpoint of the lowest validation loss, or the latest where there is none.
            case best
            case latest, never
        }

        /// `run.log_ranks`.
        package enum LogRanks: String, CaseIterable, Sendable {
            case first, all
        }
        /// The time after its start by which the run has to have ended [s]; nil for none of its own.
        package var timeLimit: Double?
    }

    /// `data`: files (or folders, or patterns with `*`) and what is read of them.
    package struct Data: Sendable {
        package var train: [String]
        package var validation: [String]
        package var test: [String]
        package var features: JetFeatures
        package var maxConstituents: Int
        /// Which jets of the training files are used; of the other files, the classes alone.
        package var choice: JetChoice
        package var shuffle: Bool
    }

    /// `training`: the loop.
    package struct Training: Sendable {
        package var steps: Int
        /// Jets of a step over all ranks.
        package var batchSize: Int
        /// Jets of one forward and backward pass of a rank.
        package var microBatchSize: Int
        package var validationInterval: Int
        /// The most jets of a validation; nil for all.
        package var validationJets: Int?
        package var checkpointInterval: Int
        package var logInterval: Int
        /// Batches that are trained on again and again, to find faults; nil for all.
        package var overfitBatches: Int?
        /// Whether every value is looked at, to name the first that is not finite.
        package var detectAnomaly: Bool
        /// Checkpoints that stay: the last ones, and those at multiples of `keepEvery` steps.
        package var keepLast: Int
        package var keepEvery: Int?
        /// Validations without a lower loss after which the run ends; nil for never.
        package var earlyStoppingPatience: Int?
        /// Steps in a row that may be skipped because the loss or the gradient is not finite.
        package var maxSkippedSteps: Int
        package var tensorBoard: TensorBoard
        /// The steps of which a trace is written, counted from 1; nil for none.
        package var profileSteps: ClosedRange<Int>?
        /// The rank whose trace it is.
        package var profileRank: Int

        /// `training.tensorboard`: event files beside `metrics.csv`.
        package struct TensorBoard: Sendable {
            package var enabled: Bool
            /// Every how many steps the distributions of gradients and weights are written; nil for never.
            package var histogramInterval: Int?
        }
    }

    package var seed: UInt64
    package var run: Run
    package var data: Data
    package var preprocessing: PreprocessingOptions
    package var objective: ObjectiveOptions
    /// The checkpoint of the backbone that a downstream task builds on.
    package var backbone: String?
    /// The checkpoint of the VQ-VAE whose codes are used.
    package var tokenizer: String?
    package var initialWeights: String?
    package var optimizer: Optimizer
    package var schedule: Schedule
    package var training: Training
    package var parallel: Parallel
    /// The configuration with every default written out.
    package var resolved: String

    /// Which jets of the training files are used.
    package var choice: JetChoice { objective.choice(seed: seed) ?? data.choice }

    /// Decodes a configuration; `name` becomes the default run directory `runs/<name>`.
    ///
    /// Throws `ConfigurationError` that names the place, the key and what was expected.
    ///
    /// - Parameters:
    ///   - pretrained: the configurations of the checkpoints that it builds on, which fill in the model, the features and
    ///     the preprocessing.
    ///   - date: when the run was started.
    package init(
        _ configuration: Configuration, name: String, pretrained: Pretrained = .init(), date: Date = Date()
    ) throws {
        let root = configuration.section()
        try self.init(from: root, of: configuration, name: name, pretrained: pretrained, date: date)
    }

    /// Decodes a fresh root of a configuration, which knows afterwards what was asked for.
    package init(
        from root: Section, of configuration: Configuration, name: String, pretrained: Pretrained = .init(),
        date: Date = Date()
    ) throws {
        seed = UInt64(try root.int("seed", default: 0, in: .nonNegative))
        run = try Run(from: root, name: name, date: date)
        data = try Data(from: root.section("data"), seed: seed, pretrained: pretrained.source?.data)
        backbone = try root.optionalString("backbone")
        tokenizer = root.isNull("tokenizer") ? nil : try root.section("tokenizer").optionalString("checkpoint")
        objective = try ObjectiveOptions(
            from: root, backbone: pretrained.backbone?.objective, tokenizer: pretrained.vqvae)
        if objective.choice(seed: seed) != nil, data.choice.classes != nil || data.choice.jets != nil {
            throw try root.section("data").error(
                data.choice.jets != nil ? "jets" : "classes",
                "the section cwola says which jets are used: cwola.background_jets and cwola.signal_jets, and their "
                    + "classes; leave the key out")
        }
        preprocessing = try PreprocessingOptions(
            from: root.section("preprocessing"),
            defaults: pretrained.source?.preprocessing ?? objective.name.preprocessing)
        if let source = pretrained.source, source.preprocessing.name != preprocessing.name {
            throw root.error(
                "preprocessing", "\(pretrained.backbone == nil ? "the VQ-VAE" : "the backbone") was trained with the "
                    + "preprocessing \(source.preprocessing.name.rawValue); leave the section out")
        }
        run.evaluated = try root.section("run").choice("evaluate", default: objective.name.evaluated)
        initialWeights = try root.section("model").optionalString("initial_weights")
        optimizer = try Optimizer(from: root.section("optimizer"))
        training = try Training(from: root.section("training"))
        schedule = try Schedule(from: root.section("schedule"), steps: training.steps)
        parallel = try Parallel(from: root.section("parallel"))
        try root.finish()
        resolved = configuration.resolved(from: root)
    }
}

extension RunOptions.Run {
    /// - Parameters:
    ///   - root: the whole configuration, since the folder may be named after other keys.
    ///   - date: when the run was started.
    package init(from root: Section, name: String, date: Date) throws {
        let section = try root.section("run")
        let givenName = try section.string("name", default: name)
        guard !givenName.isEmpty else { throw section.error("name", "is empty; give the run a name") }
        self.name = givenName
        directory = try section.template(
            "directory", default: "runs/{name}",
            words: [
                "name": { givenName },
                "objective": { try root.choice("objective", of: ObjectiveOptions.Name.self, default: .mpmV2).rawValue },
                "seed": { "\(try root.int("seed", default: 0, in: .nonNegative))" },
                "date": { date.formatted(Date.ISO8601FormatStyle(timeZone: .current).year().month().day()) },
                "slurm_job_id": {
                    guard let job = ProcessInfo.processInfo.environment["SLURM_JOB_ID"] else {
                        throw section.error("directory", "{slurm_job_id} stands for nothing outside a job of Slurm")
                    }
                    return job
                },
            ])
        guard !directory.isEmpty else { throw section.error("directory", "is empty; give the run a folder") }
        switch try section.string("resume", default: "auto") {
        case "auto": resume = .auto
        case "never": resume = .never
        case let path: resume = .checkpoint(path)
        }
        logRanks = try section.choice("log_ranks", of: LogRanks.self, default: .first)
        waitForDebugger = try section.optionalInt("wait_for_debugger", in: .nonNegative, absent: "none")
        timeLimit = try section.optionalDuration("time_limit")
    }
}

extension RunOptions.Data {
    package init(from section: Section, seed: UInt64, pretrained: RunOptions.Data?) throws {
        train = try section.strings("train")
        guard !train.isEmpty else { throw section.error("train", "no training file is given") }
        validation = try section.strings("validation", default: [])
        test = try section.strings("test", default: [])
        features = try JetFeatures(from: section, default: pretrained?.features ?? .all)
        if let pretrained, pretrained.features != features {
            throw section.error(
                "features", "the checkpoint that this run builds on was trained on \(pretrained.features.names.joined(separator: ", ")); leave the "
                    + "key out")
        }
        maxConstituents = try section.int(
            "max_constituents", default: pretrained?.maxConstituents ?? 128, in: 1...4096)
        choice = try JetChoice(from: section, seed: seed)
        shuffle = try section.bool("shuffle", default: true)
    }
}

extension Schedule {
    /// - Parameter steps: those of the run, over which a cosine extends unless it says otherwise.
    package init(from section: Section, steps: Int) throws {
        enum Name: String, CaseIterable {
            case constant
            case warmupExponential = "warmup_exponential"
            case warmupCosine = "warmup_cosine"
        }
        switch try section.choice("name", of: Name.self, default: .warmupExponential) {
        case .constant:
            self = .constant
        case .warmupExponential:
            self = .warmupExponential(
                warmupSteps: try section.int("warmup_steps", default: 50_000, in: 0...Int(Int32.max)),
                halfLife: try section.double("half_life", default: 100_000, in: .positive),
                initialFactor: try section.double("initial_factor", default: 0, in: .zeroToOne),
                finalFactor: try section.double("final_factor", default: 1e-3, in: .zeroToOne))
        case .warmupCosine:
            self = .warmupCosine(
                warmupSteps: try section.int("warmup_steps", default: 10_000, in: 0...Int(Int32.max)),
                totalSteps: try section.int("total_steps", default: steps, in: 0...Int(Int32.max)),
                initialFactor: try section.double("initial_factor", default: 0, in: .zeroToOne),
                finalFactor: try section.double("final_factor", default: 1e-3, in: .zeroToOne))
        }
    }
}

extension RunOptions.Training {
    package init(from section: Section) throws {
        let count = 1...Int(Int32.max)
        steps = try section.int("steps", default: 1_000_000, in: 0...Int(Int32.max))
        batchSize = try section.int("batch_size", default: 1000, in: count)
        microBatchSize = try section.int("micro_batch_size", default: 64, in: count)
        validationInterval = try section.int("validation_interval", default: 5000, in: count)
        validationJets = try section.optionalInt("validation_jets", in: count, absent: "all")
        checkpointInterval = try section.int("checkpoint_interval", default: 5000, in: count)
        logInterval = try section.int("log_interval", default: 50, in: count)
        overfitBatches = try section.optionalInt("overfit_batches", in: count, absent: "none")
        detectAnomaly = try section.bool("detect_anomaly", default: false)
        keepLast = try section.int("keep_last", default: 3, in: count)
        keepEvery = try section.optionalInt("keep_every", in: count)
        earlyStoppingPatience = try section.optionalInt("early_stopping_patience", in: count)
        maxSkippedSteps = try section.int("max_skipped_steps", default: 10, in: 0...Int(Int32.max))
        let board = try section.section("tensorboard")
        tensorBoard = TensorBoard(
            enabled: try board.bool("enabled", default: true),
            histogramInterval: try board.optionalInt("histogram_interval", in: count, absent: "none"))
        profileRank = try section.int("profile_rank", default: 0, in: .nonNegative)
        if let profiled = try section.optionalInts("profile_steps", in: count, absent: "none") {
            guard let first = profiled.first, profiled.count < 3, first <= profiled.last! else {
                throw section.error(
                    "profile_steps", "expected a step or the first and the last of some, as in [100, 110], found "
                        + "\(profiled)")
            }
            guard first <= steps else {
                throw section.error("profile_steps", "begins at step \(first), but training.steps is \(steps)")
            }
            profileSteps = first...profiled.last!
        }
    }
}
