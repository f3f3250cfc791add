import Foundation
import HDF5
import Jets
import MPI
import NN
import Objectives
import Tensors

/// `kaon pretrain`: from a decoded configuration to a finished run.
///
/// Every rank calls it. Errors that all ranks know are `AgreedError`s; any other concerns this rank alone.
public func pretrain(_ options: RunOptions, on communicator: Communicator, console: Console) throws {
    try communicator.agree {
        guard options.training.batchSize >= communicator.size else {
            throw TrainingError(
                "training.batch_size is \(options.training.batchSize), but each of the \(communicator.size) ranks "
                    + "needs a jet; raise it or start fewer ranks")
        }
    }
    let directory = try communicator.onRoot {
        let directory = try RunDirectory(options.run.directory)
        try console.open(logFile: directory.log)
        return directory
    }
    let source = try communicator.broadcast(communicator.onRoot { try startingPoint(options, directory!) } ?? "")
    let threads = try Machine.useThreads(options.threads, on: communicator)

    let train = try JetDataset(
        paths: options.data.train, maxConstituents: options.data.maxConstituents, on: communicator)
    let validation = options.data.validation.isEmpty
        ? nil
        : try JetDataset(
            paths: options.data.validation, maxConstituents: options.data.maxConstituents,
            jets: options.training.validationJets, on: communicator)
    let objective = makeObjective(options)
    try reportStart(options, objective, train, validation, threads: threads, on: communicator, console: console)

    let run = try PreparedRun(
        options, objective, train, checkpoint: source.isEmpty ? nil : source, directory: directory,
        on: communicator, console: console)
    func loader(_ dataset: JetDataset, shuffle: Bool) -> JetLoader {
        JetLoader(
            dataset: dataset, preprocessing: run.preprocessing, batchSize: options.training.batchSize,
            seed: options.seed, shuffle: shuffle)
    }
    let records = try communicator.agree {
        try directory?.write(configuration: options.resolved)
        return try TrainingRecords(
            directory, terms: ["total"] + objective.terms.map(\.name), step: run.state.step,
            preprocessing: run.preprocessing, configuration: options.resolved)
    }
    let trainer = Trainer(
        objective, optimizer: run.optimizer, state: run.state, options: options,
        train: loader(train, shuffle: options.data.shuffle), validation: validation.map { loader($0, shuffle: false) },
        on: communicator, console: console, records: records)
    if run.state.step >= options.training.steps {
        console.say(
            "nothing to do: the run has \(run.state.step) steps, training.steps is \(options.training.steps)")
    }
    try trainer.run()
    try communicator.barrier()
}

/// Builds the model that a configuration names, with fresh weights.
func makeObjective(_ options: RunOptions) -> any Objective {
    switch options.objective {
    case .mpmV2:
        MaskedParticleModelling(
            options.maskedParticles, features: options.data.features.count,
            maxConstituents: options.data.maxConstituents, seed: options.seed)
    }
}

/// The checkpoint that the run continues from; empty for a fresh start.
private func startingPoint(_ options: RunOptions, _ directory: RunDirectory) throws -> String {
    let latest = directory.latestCheckpoint
    switch options.run.resume {
    case .auto:
        return latest ?? ""
    case .checkpoint(let path):
        guard FileManager.default.fileExists(atPath: path) else {
            throw TrainingError("run.resume: there is no checkpoint \(path)")
        }
        return path
    case .never:
        if let latest {
            throw TrainingError(
                "run.resume is never, but \(options.run.directory) already holds \(latest); remove the run or give "
                    + "run.directory another folder")
        }
        return ""
    }
}

/// Weights, optimizer, preprocessing and position of a run, from a checkpoint or from the data.
private struct PreparedRun {
    let preprocessing: QuantilePreprocessing
    let optimizer: AdamW
    let state: TrainingState

    init(
        _ options: RunOptions, _ objective: any Objective, _ train: JetDataset, checkpoint: String?,
        directory: RunDirectory?, on communicator: Communicator, console: Console
    ) throws {
        let optimizer = AdamW(objective.parameters, options.optimizer.adamW)
        self.optimizer = optimizer
        if let checkpoint {
            var loaded: QuantilePreprocessing?
            state = try communicator.agree {
                try Checkpoint.read(from: checkpoint, parameters: objective.parameters, optimizer: optimizer) {
                    loaded = try FittedState.loadPreprocessing(from: $0)
                    try FittedState.loadObjective(objective, from: $0)
                }
            }
            preprocessing = loaded!
            try communicator.agree {
                guard loaded!.features == options.data.features else {
                    throw TrainingError(
                        "\(checkpoint) was trained on features \(loaded!.features.names.joined(separator: ", ")), "
                            + "data.features asks for \(options.data.features.names.joined(separator: ", "))")
                }
            }
            console.say("continuing from \(checkpoint) at step \(state.step)")
            return
        }
        state = TrainingState()
        let fitted = FittedFile(options, train, directory: directory, on: communicator)
        if let known = try fitted.read(into: objective) {
            preprocessing = known
            console.say("preprocessing and tokens from \(options.run.directory)/fitted.h5")
        } else {
            console.say("fitting the preprocessing to up to \(options.preprocessing.jets) jets")
            preprocessing = try QuantilePreprocessing.fit(
                train, features: options.data.features, jets: options.preprocessing.jets,
                quantiles: options.preprocessing.quantiles, seed: options.seed, on: communicator)
            let loader = JetLoader(
                dataset: train, preprocessing: preprocessing, batchSize: options.training.batchSize,
                seed: options.seed, shuffle: options.data.shuffle)
            try objective.fit(to: loader, on: communicator) { console.say($0) }
            try fitted.write(preprocessing, objective)
        }
        if let weights = options.initialWeights {
            try communicator.agree { try Checkpoint.readWeights(from: weights, into: objective.parameters) }
            console.say("initial weights from \(weights)")
        }
    }
}

/// `fitted.h5` of a run: what was learned from the data, so that a restart before the first checkpoint need not learn it
/// again. It is used only while the settings that it depends on are unchanged.
private struct FittedFile {
    private let path: String
    private let fingerprint: String
    private let communicator: Communicator

    init(_ options: RunOptions, _ train: JetDataset, directory: RunDirectory?, on communicator: Communicator) {
        path = options.run.directory + "/fitted.h5"
        let settings: [Any] = [
            options.seed, options.data.train, train.count, options.data.features.names, options.data.maxConstituents,
            options.data.shuffle, options.preprocessing, options.training.batchSize,
            options.maskedParticles.tasks.kmeans as Any,
        ]
        fingerprint = settings.map { "\($0)" }.joined(separator: "; ")
        self.communicator = communicator
    }

    func read(into objective: any Objective) throws -> QuantilePreprocessing? {
        let isUsable = try communicator.onRoot {
            guard FileManager.default.fileExists(atPath: path), let file = try? File(opening: path) else { return 0 }
            return try file.root.stringAttribute("fingerprint") == fingerprint ? 1 : 0
        }
        guard try communicator.broadcast([isUsable ?? 0])[0] == 1 else { return nil }
        return try communicator.agree {
            let file = try File(opening: path)
            try FittedState.loadObjective(objective, from: file.root)
            return try FittedState.loadPreprocessing(from: file.root)
        }
    }

    func write(_ preprocessing: QuantilePreprocessing, _ objective: any Objective) throws {
        _ = try communicator.onRoot {
            try replaceFile(path) { root in
                try root.setAttribute("fingerprint", to: fingerprint)
                try FittedState.save(preprocessing, objective, to: root)
            }
        }
    }
}
