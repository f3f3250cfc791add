import Distributed
import Foundation
import Jets
import MPI
import Runs
import Supervision
import System

/// Trains the model of a configuration: the body of `kaon pretrain` and `kaon finetune`. Collective.
///
/// Throws `AgreedError` on all ranks alike; an error of this rank alone ends the job. If `context.stopRequested`
/// becomes true on any rank, or the time limit is reached, the run stops after its step and writes a checkpoint.
package func train(_ options: RunOptions, in context: RunContext) throws -> RunOutcome {
    let communicator = context.communicator
    try checkStart(options, on: communicator)
    if let warning = EnvironmentWarnings.slurm(ProcessInfo.processInfo.environment, ranks: communicator.size) {
        context.console.warn(warning)
    }
    if options.run.timeLimit == nil,
        let warning = TimeBudget.warning(environment: ProcessInfo.processInfo.environment)
    {
        context.console.warn(warning)
    }
    let sharding = try communicator.agree { try Sharding(virtualShards: options.parallel.shards, on: communicator) }
    try Debugger.wait(for: options.run.waitForDebugger, on: communicator)
    var watch = options.parallel.watchdog
    // A debugger may hold a rank for any length of time.
    if options.run.waitForDebugger != nil { watch.enabled = false }
    let watchdog = try Watchdog(watch, on: communicator, console: context.console)
    var context = context
    if let watchdog { context.progress = watchdog.progress }
    context.budget = communicator.rank == 0 ? TimeBudget(options.run.timeLimit) : nil
    do {
        let end = try run(options, sharding, in: context)
        let options = end.options
        var outcome = end.outcome
        if outcome == .finished { outcome = try evaluateAtEnd(of: options, on: end.testFiles, in: context) }
        if outcome == .finished, let done = end.done {
            let isEvaluated = options.run.evaluated != .never && !options.data.test.isEmpty
            done.report(options, isEvaluated: isEvaluated, in: context)
        }
        try watchdog?.stop()
        return outcome
    } catch {
        // An error of one rank alone ends the job; the other ranks do not come to stop their watchdogs.
        if error is AgreedError || communicator.size == 1 {
            // Rank 0 may still be writing a checkpoint; the others must give signs of life until it has finished.
            context.progress.enter(.summing)
            try communicator.barrier()
            try watchdog?.stop()
        }
        throw error
    }
}

/// Checks that a run can start, whatever its data are; collective. Throws `AgreedError`.
package func checkStart(_ options: RunOptions, on communicator: Communicator) throws {
    try communicator.agree { try checkStart(options, ranks: communicator.size) }
    _ = try communicator.onRoot {
        try RunDirectory.check(options.run.directory)
        let report = evaluationAtEnd(of: options)
        guard let report, FileManager.default.fileExists(atPath: report), EvaluationReport(contentsOf: report) == nil
        else { return }
        throw RunDirectory.foreignFile(report)
    }
}

func checkStart(_ options: RunOptions, ranks: Int) throws {
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
    // Checked before the fits to the data, which may take long.
    func check(_ path: String?, _ key: String) throws {
        guard let path, !FileManager.default.fileExists(atPath: path) else { return }
        throw KaonError("\(key): there is no checkpoint \(path)")
    }
    // A resumed run has its weights in its checkpoint.
    if options.run.checkpointCandidates.isEmpty { try check(options.initialWeights, "model.initial_weights") }
}

/// The end of the training of a run.
private struct TrainingEnd {
    let outcome: RunOutcome
    /// The options with all choices that the data decide.
    let options: RunOptions
    /// Those of the evaluation at the end; empty without one.
    let testFiles: [EvaluationReport.TestFile]
    /// nil if there was nothing to do.
    var done: RunEnd?
}

/// Opens the data and trains.
private func run(_ options: RunOptions, _ sharding: Sharding, in context: RunContext) throws -> TrainingEnd {
    // Data first: if they cannot be read, nothing is written.
    let data = try RunData(options, on: context.communicator)
    context.progress.enter(.startUp)
    do {
        return try run(options, data, sharding, in: context)
    } catch let error as AgreedError {
        throw error
    } catch {
        Launch.end(after: error, at: context.progress.current, in: context)
    }
}

/// Prepares the model and its run directory, and trains.
private func run(
    _ options: RunOptions, _ data: RunData, _ sharding: Sharding, in context: RunContext
) throws -> TrainingEnd {
    let communicator = context.communicator
    let directory = try openDirectory(options, in: context)
    let start = try StartingPoint(options, in: context)
    let setup = try TrainingSetup(options, data, sharding, in: context)
    let options = setup.options
    try setup.report(in: context)

    let testFiles = data.test.map { EvaluationReport.TestFile.all(of: $0) } ?? []
    let run = try PreparedRun(setup, from: start, in: context)
    if run.state.step >= options.training.steps {
        context.console.say(
            "nothing to do: the run has \(run.state.step) steps, training.steps is \(options.training.steps)")
        return TrainingEnd(outcome: .finished, options: options, testFiles: testFiles)
    }
    let loader = setup.loader(data.train, run.fitted.preprocessing, shuffle: options.data.shuffle)
    let validation = data.validation.map { setup.loader($0, run.fitted.preprocessing, shuffle: false) }
    let collector = communicator.size > 1 ? try OptimizerStateCollector(setup.parameters) : nil
    let records = try communicator.agree {
        try directory?.write(configuration: options.resolved, provenance: Provenance(seed: options.seed))
        return try TrainingRecords(
            directory, options, setup.objective, run, setup.parameters, collector, order: loader.order,
            console: context.console)
    }
    let trainer = try Trainer(setup, run, loader, validation: validation, records, in: context)
    let outcome = try trainer.run()
    try communicator.barrier()
    let done = RunEnd(
        steps: trainer.steps - run.state.step, best: records.best, selection: setup.objective.selection)
    return TrainingEnd(outcome: outcome, options: options, testFiles: testFiles, done: done)
}

/// Opens the run directory and the logs; the directory is nil on ranks other than 0. Collective.
private func openDirectory(_ options: RunOptions, in context: RunContext) throws -> RunDirectory? {
    let (communicator, console) = (context.communicator, context.console)
    let directory = try communicator.onRoot {
        let directory = try RunDirectory(options.run.directory)
        try console.open(logFile: directory.log)
        for (name, value) in Provenance(seed: options.seed).entries { console.record("\(name): \(value)") }
        return directory
    }
    guard options.run.logRanks == .all else { return directory }
    try communicator.agree {
        guard communicator.rank > 0 else { return }
        try console.open(logFile: options.run.directory + "/kaon.rank-\(communicator.rank).log")
        console.say(
            "rank \(communicator.rank) of \(communicator.size): process \(getpid()) on "
                + MPIEnvironment.processorName)
    }
    return directory
}
