import Configuration
import Foundation
import HDF5
import Jets
import MPI
import NN
import Objectives
import Runs
import Supervision
import System

extension PreparedRun {
    /// Restores the run from its checkpoint, or prepares its first step: initial weights, and fits to the data.
    /// Collective. Throws `AgreedError`.
    ///
    /// - Parameter keepsFits: false to leave `fitted.h5` in the run directory as it is.
    package init(
        _ setup: TrainingSetup, from start: StartingPoint, keepsFits: Bool = true, in context: RunContext
    ) throws {
        let optimizer = setup.options.makeOptimizer(
            for: setup.parameters.store, elements: setup.parameters.owned)
        if let checkpoint = start.checkpoint {
            var (fitted, state) = try Self.resume(setup, optimizer, from: checkpoint, in: context)
            // Rows of another run's metrics do not count here.
            if !start.isOwn { state.rows = 0 }
            state.select(by: setup.objective.selectingTerm?.name)
            self.init(fitted: fitted, optimizer: optimizer, state: state)
        } else {
            try Self.readPretrainedWeights(setup, in: context)
            // Before the fits, which may take long, to find what is wrong with them; and after those that set weights.
            try Self.readInitialWeights(setup, in: context)
            let fitted = try Self.fit(setup, keepsFits: keepsFits, in: context)
            if setup.objective.fitsParameters { try Self.readInitialWeights(setup, in: context) }
            optimizer.state.average?.restart(from: setup.parameters.store, setup.parameters.owned)
            var state = TrainingState()
            state.select(by: setup.objective.selectingTerm?.name)
            self.init(fitted: fitted, optimizer: optimizer, state: state)
        }
    }

    /// Reads what the first step or the next one needs besides the jets, without the fits, for a dry run; collective.
    /// Throws `AgreedError` if the run could not start. Returns the number of steps that are done.
    package static func rehearse(_ setup: TrainingSetup, from start: StartingPoint, in context: RunContext) throws
        -> Int
    {
        guard let checkpoint = start.checkpoint else {
            try readPretrainedWeights(setup, in: context)
            try readInitialWeights(setup, in: context)
            return 0
        }
        let optimizer = setup.options.makeOptimizer(for: setup.objective.parameters)
        return try resume(setup, optimizer, from: checkpoint, in: context).1.step
    }

    // MARK: - From a checkpoint

    /// Reads a checkpoint into model and optimizer; collective.
    private static func resume(
        _ setup: TrainingSetup, _ optimizer: any Optimizer, from checkpoint: String, in context: RunContext
    ) throws -> (FittedState, TrainingState) {
        let (options, communicator) = (setup.options, context.communicator)
        // Nil for a damaged checkpoint, of which reading it tells more.
        let changes = try? Configuration(ofCheckpoint: checkpoint).changes(to: options.configuration).filter {
            !$0.isIn(["run", RunOptions.backboneKey])
        }
        let (fitted, state) = try communicator.agree {
            do {
                try changes?.forEach { try check($0, since: checkpoint) }
                return try read(checkpoint, setup, optimizer)
            } catch {
                if let changes, !changes.isEmpty {
                    // One of them may be the reason.
                    report(changes, since: checkpoint, on: context.console)
                    context.console.say("to start a new run with these settings, give run.directory another folder")
                }
                throw error
            }
        }
        context.console.say("continuing from \(checkpoint) at step \(state.step)")
        report(changes ?? [], since: "then", on: context.console)
        return (fitted, state)
    }

    private static func read(
        _ checkpoint: String, _ setup: TrainingSetup, _ optimizer: any Optimizer
    ) throws -> (FittedState, TrainingState) {
        let (options, objective) = (setup.options, setup.objective)
        let order = JetOrder(
            setup.data.train.numbering,
            .init(batchSize: options.training.batchSize, seed: options.seed, shuffle: options.data.shuffle))
        var fitted: FittedState?
        do {
            let state = try Checkpoint.read(from: checkpoint, into: optimizer) {
                let stored = try FittedState(from: $0)
                let features = stored.preprocessing.features
                guard features == options.data.features else {
                    let names = [features, options.data.features].map { $0.names.joined(separator: ", ") }
                    throw KaonError(
                        "\(checkpoint) was trained on the features \(names[0]); data.features is \(names[1])")
                }
                guard stored.classes == setup.classes else {
                    let names = [stored.classes, setup.classes].map { $0?.names.joined(separator: ", ") ?? "none" }
                    throw KaonError(
                        "\(checkpoint) was trained on the classes \(names[0]); this run has \(names[1])")
                }
                let trainedOn = try $0.stringAttribute("order")
                guard trainedOn == order.summary else {
                    throw KaonError(
                        "\(checkpoint) was trained on \(trainedOn); this run has \(order.summary), so it cannot "
                            + "continue with the next jet: set model.initial_weights to the checkpoint to start a new "
                            + "run with its weights")
                }
                try objective.restore(stored.objective)
                fitted = stored
            }
            return (fitted!, state)
        } catch let error as ObjectiveError {
            throw KaonError("\(checkpoint): \(error)")
        } catch let error as HDF5Error {
            throw KaonError("\(error); run.resume may name another checkpoint to continue from")
        }
    }

    /// Keys of the weights with which a run starts.
    private static let origins = ["backbone", "tokenizer.checkpoint", "model.initial_weights"]

    /// Throws `KaonError` if a run that continues from a checkpoint would need other weights than it has.
    private static func check(_ change: ConfigurationChange, since checkpoint: String) throws {
        let isOfOtherMode = change.key == "backbone_mode" && [change.old, change.new].contains("scratch")
        let files = [change.old, change.new].map(realPath)
        let isOfOtherFile =
            origins.contains(change.key) && files[0] != files[1]
            && files.allSatisfy(FileManager.default.fileExists(atPath:))
        guard isOfOtherMode || isOfOtherFile else { return }
        throw KaonError(
            "\(checkpoint) was trained with \(change.key)=\(change.old), and this run has \(change.new)")
    }

    /// Prints how the configuration differs from that of the checkpoint.
    private static func report(_ changes: [ConfigurationChange], since time: String, on console: Console) {
        guard !changes.isEmpty else { return }
        console.say("changed since \(time): " + changes.map(\.description).joined(separator: "; "))
        let ignored = changes.filter {
            $0.isIn(["preprocessing", "tasks.kmeans.fit_jets", "tasks.kmeans.iterations"] + origins)
        }
        if !ignored.isEmpty {
            console.warn(
                "the checkpoint's weights, preprocessing and tokens are kept; without effect: "
                    + ignored.map(\.description).joined(separator: "; "))
        }
    }

    // MARK: - From the first step

    /// Reads the weights of backbone and tokenizer; collective.
    private static func readPretrainedWeights(_ setup: TrainingSetup, in context: RunContext) throws {
        let (options, objective) = (setup.options, setup.objective)
        let (communicator, console) = (context.communicator, context.console)
        if let backbone = options.backbone, options.objective.fineTuning?.mode != .scratch {
            try communicator.agree {
                try ModelFile.readWeights(
                    from: backbone, into: objective.parameters, group: DownstreamBackbone.group)
            }
            console.say("weights of the backbone from \(backbone)")
            try warnOfAverages(in: backbone, context)
        }
        // A backbone has a VQ-VAE of its own.
        if options.backbone == nil, let weights = objective.tokenizerParameters {
            guard let tokenizer = options.tokenizer else {
                throw AgreedError(
                    message: "tokenizer.checkpoint is missing: the VQ-VAE of tokenizer would have random weights; set "
                        + "it to a checkpoint of objective vqvae")
            }
            try communicator.agree { try ModelFile.readWeights(from: tokenizer, into: weights) }
            console.say("VQ-VAE from \(tokenizer)")
        }
    }

    /// Warns that the weights of the last step are used, not their moving averages; collective.
    private static func warnOfAverages(in path: String, _ context: RunContext) throws {
        let hasAverages = try context.communicator.onRoot {
            !ExportedModel.isExport(path) && (try? RunOptions(ofCheckpoint: path))?.evaluatesAverage == true
        }
        guard hasAverages == true else { return }
        context.console.warn(
            "\(path) has moving averages of its weights, which its evaluations use; the run starts with the weights of "
                + "its last step. 'kaon export \(path) --average' writes a file with the averages")
    }

    /// Fits preprocessing and objective to the data; collective.
    private static func fit(
        _ setup: TrainingSetup, keepsFits: Bool, in context: RunContext
    ) throws -> FittedState {
        let (options, objective, train) = (setup.options, setup.objective, setup.data.train)
        let (communicator, console) = (context.communicator, context.console)
        let file = FittedFile(options, train, on: communicator)
        if !objective.fitsParameters, let known = try file.read() {
            try communicator.agree { try objective.restore(known.objective) }
            console.say("preprocessing and tokens from \(options.run.directory)/fitted.h5")
            return known
        }
        let preprocessing: any Preprocessing
        if let known = try setup.adoptPretrained(in: context) {
            preprocessing = known
            try train.warnings(options.data.features, seed: options.seed).forEach { console.warn("data.train: \($0)") }
        } else {
            console.say("fitting the preprocessing to up to \(options.preprocessing.jets) jets")
            preprocessing = try options.preprocessing.fit(
                train, features: options.data.features, seed: options.seed, on: communicator,
                warn: { console.warn("data.train: \($0)") })
        }
        // The fits see the noise of every epoch, and no momenta.
        let loader = JetLoader(
            dataset: train, preprocessing: preprocessing,
            order: .init(batchSize: options.training.batchSize, seed: options.seed, shuffle: options.data.shuffle),
            contents: .init(classOfLabel: setup.classes?.indices(in: train)))
        context.progress.enter(.startUp)
        try objective.fit(to: loader, on: communicator) { console.say($0) }
        context.progress.enter(.startUp)
        let fitted = FittedState(preprocessing: preprocessing, classes: setup.classes, objective: objective.state)
        if keepsFits { try file.write(fitted) }
        return fitted
    }

    /// Reads `model.initial_weights`, if given; collective.
    private static func readInitialWeights(_ setup: TrainingSetup, in context: RunContext) throws {
        guard let weights = setup.options.initialWeights else { return }
        let parameters = setup.objective.parameters
        let count = try context.communicator.agree {
            try ModelFile.readInitialWeights(from: weights, into: parameters)
        }
        let all = parameters.parameters.count
        context.console.say(
            "initial weights\(count < all ? " of the backbone, \(count) of \(all) parameters," : "") from "
                + "\(weights); preprocessing and tokens are those of this run's data")
    }
}
