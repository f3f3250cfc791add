import Foundation
import Jets
import MPI
import Objectives

/// `kaon pretrain` and `kaon finetune`: from a decoded configuration to a finished run.
///
/// Every rank calls it, and `AgreedError`s are thrown on all of them; an error that concerns this rank alone
/// ends the job. When `shouldStop` turns true on any rank, the run is stopped after its step, with a
/// checkpoint.
public func train(
    _ options: RunOptions, on communicator: Communicator, console: Console, shouldStop: () -> Bool = { false }
) throws -> RunOutcome {
    try communicator.agree {
        guard options.training.batchSize >= communicator.size else {
            throw TrainingError(
                "training.batch_size is \(options.training.batchSize), but each of the "
                    + "\(communicator.size) ranks needs a jet; raise it or start fewer ranks")
        }
        let training = options.training
        guard training.profileSteps == nil || training.profileRank < communicator.size else {
            throw TrainingError(
                "training.profile_rank is \(training.profileRank), but the run has \(plural(communicator.size, "rank")), "
                    + "counted from 0")
        }
    }
    if let warning = StartWarnings.slurm(ProcessInfo.processInfo.environment, ranks: communicator.size) {
        console.warn(warning)
    }
    let sharding = try communicator.agree { try Sharding(options.parallel, on: communicator) }
    try Debugger.wait(for: options.run.waitForDebugger, on: communicator)
    var watch = options.parallel.watchdog
    // A debugger may hold a rank for as long as it likes.
    if options.run.waitForDebugger != nil { watch.enabled = false }
    let watchdog = try Watchdog(watch, on: communicator, console: console)
    let progress = watchdog?.board ?? ProgressBoard()
    do {
        let outcome = try train(
            options, on: communicator, console: console, sharding: sharding, progress: progress,
            shouldStop: shouldStop)
        if outcome == .finished {
            try evaluateAtEnd(of: options, on: communicator, console: console, progress: progress)
        }
        try watchdog?.stop()
        return outcome
    } catch {
        // An error of one rank alone ends the job; the other ranks will not come to stop their watchdogs.
        if error is AgreedError || communicator.size == 1 { try watchdog?.stop() }
        throw error
    }
}

private func train(
    _ options: RunOptions, on communicator: Communicator, console: Console, sharding: Sharding,
    progress: ProgressBoard, shouldStop: () -> Bool
) throws -> RunOutcome {
    // Data first: where it cannot be read, nothing is written.
    let train = try JetDataset(
        paths: options.data.train, maxConstituents: options.data.maxConstituents,
        choice: options.choice, constituentLabels: options.objective.constituentLabels, on: communicator)
    let validation =
        options.data.validation.isEmpty
        ? nil
        : try JetDataset(
            paths: options.data.validation, maxConstituents: options.data.maxConstituents,
            jets: options.training.validationJets, choice: JetChoice(classes: options.choice.classes),
            constituentLabels: options.objective.constituentLabels, on: communicator)
    progress.enter(.startUp)
    return try withExtendedLifetime((train, validation)) {
        do {
            return try run(
                options, train, validation, on: communicator, console: console, sharding: sharding,
                progress: progress, shouldStop: shouldStop)
        } catch let error as AgreedError {
            throw error
        } catch {
            Launch.end(after: error, in: progress.mark, on: communicator, console: console)
        }
    }
}

private func run(
    _ options: RunOptions, _ train: JetDataset, _ validation: JetDataset?, on communicator: Communicator,
    console: Console, sharding: Sharding, progress: ProgressBoard, shouldStop: () -> Bool
) throws -> RunOutcome {
    let directory = try communicator.onRoot {
        let directory = try RunDirectory(options.run.directory)
        try console.open(logFile: directory.log)
        return directory
    }
    if options.run.logRanks == .all {
        try communicator.agree {
            guard communicator.rank > 0 else { return }
            try console.open(logFile: options.run.directory + "/kaon.rank-\(communicator.rank).log")
            console.say(
                "rank \(communicator.rank) of \(communicator.size): process \(getpid()) on "
                    + MPIEnvironment.processorName)
        }
    }
    let start = try StartingPoint(options, directory: directory, on: communicator, console: console)
    let threads = try Machine.useThreads(options.threads, on: communicator)
    let precision = try options.parallel.precision.precision(on: communicator, console: console)
    let classes = options.objective.needsClasses
        ? try communicator.agree { try JetClasses(options.choice, in: train) } : nil
    let objective = makeObjective(options, classes: classes)
    try reportStart(
        options, objective, train, validation, threads: threads, precision: precision,
        on: communicator, console: console)

    func loader(_ dataset: JetDataset, _ preprocessing: any Preprocessing, shuffle: Bool) throws -> JetLoader {
        JetLoader(
            dataset: dataset, preprocessing: preprocessing, batchSize: options.training.batchSize,
            seed: options.seed, shuffle: shuffle, carriesMomenta: objective.needsMomenta,
            noiseEpoch: options.objective.fineTuning?.keepsEncodings == true ? 0 : nil,
            classOfLabel: try communicator.agree { try classes?.indices(in: dataset) })
    }
    let run = try PreparedRun(
        options, objective, train, classes: classes, from: start, on: communicator, console: console, progress: progress)
    if run.state.step >= options.training.steps {
        console.say(
            "nothing to do: the run has \(run.state.step) steps, training.steps is \(options.training.steps)")
        return .finished
    }
    let trainLoader = try loader(train, run.fitted.preprocessing, shuffle: options.data.shuffle)
    let records = try communicator.agree {
        try directory?.write(configuration: options.resolved)
        return try TrainingRecords(
            directory, objective, run.optimizer, run.state, fitted: run.fitted,
            order: trainLoader.order, options: options, console: console)
    }
    let trainer = try Trainer(
        objective, optimizer: run.optimizer, state: run.state, options: options, train: trainLoader,
        validation: try validation.map { try loader($0, run.fitted.preprocessing, shuffle: false) },
        on: communicator, console: console, records: records,
        budget: communicator.rank == 0 ? TimeBudget(options.run.timeLimit) : nil, sharding: sharding,
        progress: progress, precision: precision)
    let outcome = try trainer.run(shouldStop: shouldStop)
    try communicator.barrier()
    return outcome
}

/// Builds the model that a configuration names, with fresh weights.
func makeObjective(_ options: RunOptions, classes: JetClasses?) -> any Objective {
    options.objective.makeObjective(
        JetShape(options.data.features, maxConstituents: options.data.maxConstituents, classes: classes),
        seed: options.seed)
}
