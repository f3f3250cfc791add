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

/// The checkpoint that a run continues from, if any, as all ranks know it.
package struct StartingPoint {
    package let checkpoint: String?
    /// Whether the checkpoint is one of the run directory itself, so that the metrics there belong to it.
    package let isOwn: Bool

    /// Looks into the run directory, which rank 0 alone has; collective.
    package init(
        _ options: RunOptions, directory: RunDirectory?, on communicator: Communicator, console: Console
    ) throws {
        let found = try communicator.onRoot { try Self.find(options, directory!, console) }
        let path = try communicator.broadcast(found?.path ?? "")
        checkpoint = path.isEmpty ? nil : path
        isOwn = try communicator.broadcast([found?.isOwn == true ? 1 : 0])[0] == 1
    }

    private static func find(
        _ options: RunOptions, _ directory: RunDirectory, _ console: Console
    ) throws -> (path: String, isOwn: Bool) {
        let latest = directory.latestCheckpoint
        func refuse(_ resume: String, _ advice: String) -> KaonError {
            KaonError(
                "run.resume is \(resume), but \(options.run.directory) already holds \(latest!); \(advice)")
        }
        switch options.run.resume {
        case .auto:
            return (try findUndamaged(directory, console) ?? "", true)
        case .checkpoint(let path):
            guard !ExportedModel.isExport(path) else {
                throw KaonError(
                    "run.resume: \(path) is an exported model, which no run goes on from; begin one with its weights "
                        + "by model.initial_weights")
            }
            func folder(_ path: String) -> URL {
                URL(fileURLWithPath: path).resolvingSymlinksInPath().deletingLastPathComponent()
            }
            let isOwn = folder(path) == folder(directory.checkpoint(step: 0))
            if !isOwn, latest != nil {
                throw refuse(path, "continue that with run.resume=auto, or give run.directory another folder")
            }
            return (path, isOwn)
        case .never:
            if latest != nil {
                throw refuse("never", "remove the run or give run.directory another folder")
            }
            return ("", true)
        }
    }

    /// The first of the run's checkpoints that can be read, after a warning about those before it; nil for a
    /// run that has none. Throws `KaonError` where all are damaged, and `HDF5Error` where the system does not give
    /// one that is there: that may pass, and going back would throw away what was trained since.
    private static func findUndamaged(_ directory: RunDirectory, _ console: Console) throws -> String? {
        let candidates = directory.checkpointCandidates
        var damages: [String] = []
        for path in candidates {
            do {
                try Checkpoint.verify(path)
                for damage in damages { console.warn("a checkpoint is damaged: \(damage)") }
                if !damages.isEmpty { console.warn("the run goes back to \(path)") }
                return path
            } catch let error as HDF5Error where [nil, ENOENT].contains(error.systemError) {
                damages.append("\(error)")
            }
        }
        guard let damage = damages.first else { return nil }
        let count = candidates.count
        throw KaonError(
            "\(count == 1 ? "the only checkpoint" : "each of the \(count) checkpoints") of \(directory.path) is "
                + "damaged: \(damage); bring back a copy of one, or remove the folder to begin the run anew")
    }
}

/// Weights, optimizer, preprocessing and position of a run, from a checkpoint, a backbone or the data.
package struct PreparedRun {
    package let fitted: FittedState
    package let optimizer: any Optimizer
    package let state: TrainingState

    package init(
        _ options: RunOptions, _ objective: any Objective, _ train: JetDataset, classes: JetClasses?,
        from start: StartingPoint, on communicator: Communicator, console: Console, progress: ProgressTracker
    ) throws {
        optimizer = options.optimizer.makeOptimizer(for: objective.parameters)
        if let checkpoint = start.checkpoint {
            let order = JetOrder(
                train.numbering,
                .init(batchSize: options.training.batchSize, seed: options.seed, shuffle: options.data.shuffle))
            var state: TrainingState
            (fitted, state) = try communicator.agree { [optimizer] in
                try Self.read(checkpoint, options, objective, classes, optimizer, order)
            }
            if !start.isOwn { state.rows = 0 }
            self.state = state
            console.say("continuing from \(checkpoint) at step \(state.step)")
            let changes = try communicator.agree {
                try Configuration(yaml: Checkpoint.configuration(of: checkpoint), name: checkpoint)
                    .changes(to: options.configuration)
            }
            Self.report(changes, console: console)
            return
        }
        state = TrainingState()
        fitted = try Self.fit(
            options, objective, train, classes: classes, on: communicator, console: console, progress: progress)
        if let weights = options.initialWeights {
            let count = try communicator.agree {
                try Checkpoint.readInitialWeights(from: weights, into: objective.parameters)
            }
            let all = objective.parameters.parameters.count
            console.say(
                "initial weights\(count < all ? " of the backbone, \(count) of \(all) parameters," : "") from "
                    + "\(weights); preprocessing and tokens are those of this run's data")
        }
    }

    /// Learns from the data, or from the backbone, what has to be known before the first step.
    private static func fit(
        _ options: RunOptions, _ objective: any Objective, _ train: JetDataset, classes: JetClasses?,
        on communicator: Communicator, console: Console, progress: ProgressTracker
    ) throws -> FittedState {
        if let backbone = options.backbone, options.objective.fineTuning?.mode != .scratch {
            try communicator.agree {
                try Checkpoint.readWeights(
                    from: backbone, into: objective.parameters, group: DownstreamBackbone.group)
            }
            console.say("the weights of the backbone from \(backbone)")
        }
        if let tokenizer = options.tokenizer, let weights = objective.tokenizerParameters {
            try communicator.agree { try Checkpoint.readWeights(from: tokenizer, into: weights) }
            console.say("the VQ-VAE from \(tokenizer)")
        }
        let file = FittedFile(options, train, on: communicator)
        if !objective.fitsParameters, let known = try file.read() {
            try communicator.agree { try objective.restore(known.objective) }
            console.say("preprocessing and tokens from \(options.run.directory)/fitted.h5")
            return known
        }
        let preprocessing: any Preprocessing
        if let source = options.backbone ?? options.tokenizer {
            let known = try communicator.agree { try Checkpoint.fittedState(of: source) }
            preprocessing = known.preprocessing
            if options.backbone != nil { try communicator.agree { try objective.adopt(backbone: known.objective) } }
        } else {
            console.say("fitting the preprocessing to up to \(options.preprocessing.jets) jets")
            preprocessing = try options.preprocessing.fit(
                train, features: options.data.features, seed: options.seed, on: communicator)
        }
        let loader = JetLoader(
            dataset: train, preprocessing: preprocessing,
            order: .init(batchSize: options.training.batchSize, seed: options.seed, shuffle: options.data.shuffle),
            contents: .init(classOfLabel: try communicator.agree { try classes?.indices(in: train) }))
        progress.enter(.startUp)
        try objective.fit(to: loader, on: communicator) { console.say($0) }
        progress.enter(.startUp)
        let fitted = FittedState(preprocessing: preprocessing, classes: classes, objective: objective.state)
        try file.write(fitted)
        return fitted
    }

    private static func read(
        _ checkpoint: String, _ options: RunOptions, _ objective: any Objective, _ classes: JetClasses?,
        _ optimizer: any Optimizer, _ order: JetOrder
    ) throws -> (FittedState, TrainingState) {
        var fitted: FittedState?
        do {
            let state = try Checkpoint.read(from: checkpoint, into: optimizer) {
                let stored = try FittedState(from: $0)
                let features = stored.preprocessing.features
                guard features == options.data.features else {
                    let names = [features, options.data.features].map { $0.names.joined(separator: ", ") }
                    throw KaonError(
                        "\(checkpoint) was trained on the features \(names[0]); data.features asks for "
                            + names[1])
                }
                guard stored.classes == classes else {
                    let names = [stored.classes, classes].map { $0?.names.joined(separator: ", ") ?? "none" }
                    throw KaonError(
                        "\(checkpoint) was trained on the classes \(names[0]); this run has \(names[1])")
                }
                let trainedOn = try $0.stringAttribute("order")
                guard trainedOn == order.summary else {
                    throw KaonError(
                        "\(checkpoint) was trained on \(trainedOn); this run has \(order.summary), so the "
                            + "jets cannot go on where they stopped: set model.initial_weights to the "
                            + "checkpoint for a new run that begins with its weights")
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

    /// Tells what is no longer as it was when the checkpoint was written.
    private static func report(_ changes: [ConfigurationChange], console: Console) {
        let changes = changes.filter { !$0.isIn(["run"]) }
        if !changes.isEmpty { console.say("changed since then: " + changes.map(\.description).joined(separator: "; ")) }
        let kept = changes.filter { $0.isIn(["preprocessing", "tasks.kmeans.fit_jets", "tasks.kmeans.iterations"]) }
        if !kept.isEmpty {
            console.warn(
                "the checkpoint's preprocessing and tokens are kept; without effect: "
                    + kept.map(\.description).joined(separator: "; "))
        }
    }
}
