import Distributed
import Foundation
import Jets
import MPI
import Runs
import Supervision
import System

/// `kaon pretrain` and `kaon finetune`: from a decoded configuration to a finished run.
///
/// Every rank calls it, and `AgreedError`s are thrown on all of them; an error that concerns this rank alone
/// ends the job. When `shouldStop` turns true on any rank, the run is stopped after its step, with a
/// checkpoint.
package func train(
    _ options: RunOptions, on communicator: Communicator, console: Console, shouldStop: () -> Bool = { false }
) throws -> RunOutcome {
    try communicator.agree { try checkStart(options, ranks: communicator.size) }
    if let warning = EnvironmentWarnings.slurm(ProcessInfo.processInfo.environment, ranks: communicator.size) {
        console.warn(warning)
    }
    let sharding = try communicator.agree { try Sharding(virtualShards: options.parallel.shards, on: communicator) }
    try Debugger.wait(for: options.run.waitForDebugger, on: communicator)
    var watch = options.parallel.watchdog
    // A debugger may hold a rank for as long as it likes.
    if options.run.waitForDebugger != nil { watch.enabled = false }
    let watchdog = try Watchdog(watch, on: communicator, console: console)
    let progress = watchdog?.progress ?? ProgressTracker()
    do {
        let budget = communicator.rank == 0 ? TimeBudget(options.run.timeLimit) : nil
        var outcome = try train(
            options, on: communicator, console: console, sharding: sharding, progress: progress, budget: budget,
            shouldStop: shouldStop)
        if outcome == .finished {
            outcome = try evaluateAtEnd(
                of: options, on: communicator, console: console, progress: progress, budget: budget,
                shouldStop: shouldStop)
        }
        try watchdog?.stop()
        return outcome
    } catch {
        // An error of one rank alone ends the job; the other ranks will not come to stop their watchdogs.
        if error is AgreedError || communicator.size == 1 { try watchdog?.stop() }
        throw error
    }
}

/// Throws `KaonError` where a run cannot begin, whatever its data are.
package func checkStart(_ options: RunOptions, ranks: Int) throws {
    guard options.training.batchSize >= ranks else {
        throw KaonError(
            "training.batch_size is \(options.training.batchSize), but each of the "
                + "\(ranks) ranks needs a jet; raise it or start fewer ranks")
    }
    let training = options.training
    guard training.profileSteps == nil || training.profileRank < ranks else {
        throw KaonError(
            "training.profile_rank is \(training.profileRank), but the run has \(plural(ranks, "rank")), "
                + "counted from 0")
    }
    // Before fits to the data, which may take long.
    func check(_ path: String?, _ key: String) throws {
        guard let path, !FileManager.default.fileExists(atPath: path) else { return }
        throw KaonError("\(key): there is no checkpoint \(path)")
    }
    if case .checkpoint(let path) = options.run.resume { try check(path, "run.resume") }
    // A run that goes on has its weights in its checkpoint.
    if options.run.checkpointCandidates.isEmpty { try check(options.initialWeights, "model.initial_weights") }
}

private func train(
    _ options: RunOptions, on communicator: Communicator, console: Console, sharding: Sharding,
    progress: ProgressTracker, budget: TimeBudget?, shouldStop: () -> Bool
) throws -> RunOutcome {
    // Data first: where it cannot be read, nothing is written.
    let data = try RunData(options, on: communicator)
    progress.enter(.startUp)
    return try withExtendedLifetime(data) {
        do {
            return try run(
                options, data, on: communicator, console: console, sharding: sharding, progress: progress,
                budget: budget, shouldStop: shouldStop)
        } catch let error as AgreedError {
            throw error
        } catch {
            Launch.end(after: error, at: progress.current, on: communicator, console: console)
        }
    }
}

private func run(
    _ options: RunOptions, _ data: RunData, on communicator: Communicator, console: Console, sharding: Sharding,
    progress: ProgressTracker, budget: TimeBudget?, shouldStop: () -> Bool
) throws -> RunOutcome {
    let (train, validation) = (data.train, data.validation)
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
    let threads = try ComputeThreads.start(options.threads, on: communicator)
    let precision = try options.parallel.precision.precision(on: communicator, console: console)
    let classes = options.objective.needsClasses
        ? try communicator.agree { try JetClasses(options.choice, in: train) } : nil
    let objective = options.makeObjective(classes: classes)
    try reportStart(
        options, objective, train, validation, threads: threads, precision: precision,
        on: communicator, console: console)

    func loader(_ dataset: JetDataset, _ preprocessing: any Preprocessing, shuffle: Bool) throws -> JetLoader {
        JetLoader(
            dataset: dataset, preprocessing: preprocessing,
            order: .init(batchSize: options.training.batchSize, seed: options.seed, shuffle: shuffle),
            contents: .init(
                momenta: objective.needsMomenta,
                noiseEpoch: options.objective.fineTuning?.keepsEncodings == true ? 0 : nil,
                classOfLabel: try communicator.agree { try classes?.indices(in: dataset) }))
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
        budget: budget, sharding: sharding, progress: progress, precision: precision)
    let outcome = try trainer.run(shouldStop: shouldStop)
    try communicator.barrier()
    return outcome
}
