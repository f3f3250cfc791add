import Distributed
import Foundation
import HDF5
import Jets
import MPI
import Objectives
import Runs
import Supervision
import System

/// Applies a model to the jets of `data.test` in the precision of its configuration (`parallel.precision`), and writes
/// `metrics.json` and, for tasks that predict something for every jet, `predictions.h5`. Collective.
///
/// Nothing is written if `context` has a reason to stop: the outcome is `stopped`.
///
/// - Parameters:
///   - output: the folder to write to.
///   - reportsJets: whether to print remarks and warnings about the test jets; false if the start of the run did.
@discardableResult
package func evaluate(
    _ model: TrainedModel, output: String, reportsJets: Bool = true, in context: RunContext
) throws -> RunOutcome {
    let (options, console, communicator) = (model.options, context.console, context.communicator)
    let test = try AppliedJets(testing: options, .init(options, model.state.classes), on: communicator)
    let dataset = test.dataset
    let spectators = try communicator.onRoot { try JetSpectators(options.evaluate.spectators, of: dataset) }
    let loader = try model.loader(dataset, in: context)
    console.say("\(model.checkpoint): \(options.objective.name.rawValue) on \(plural(dataset.count, "jet"))")
    if reportsJets {
        test.report(on: console)
        // The training files may be gone, or have other names on this machine.
        if communicator.rank == 0,
            let warning = dataset.warning(aboutTrainingFiles: JetDataset.files(of: options.data.train), in: "data.test")
        {
            console.warn(warning)
        }
    }

    // An evaluation runs on any number of ranks; where the virtual shards allow it, it has the bits of a validation.
    let shards = options.parallel.shards.flatMap { $0.isMultiple(of: communicator.size) ? $0 : nil }
    var evaluator = Evaluator(
        model.objective, loader, try Sharding(virtualShards: shards, on: communicator),
        microBatchSize: options.training.microBatchSize,
        precision: try options.parallel.precision.precision(on: communicator, console: console), in: context)
    var slowest = 0.0
    for step in 0..<loader.stepsPerEpoch {
        context.progress.enter(.summing)
        let reasons = try communicator.allGather(context.stopReason(reserving: 2 * slowest) ?? "")
        if let reason = reasons.first(where: { !$0.isEmpty }) {
            console.endProgress()
            console.say("stopped by \(reason) during the evaluation; the same command will repeat it")
            return .stopped
        }
        let begin = ContinuousClock.now
        try evaluator.add(step: step, collectsPredictions: true)
        let done = min((step + 1) * loader.order.batchSize, dataset.count)
        console.progress(jets: done, of: dataset.count)
        slowest = max(slowest, begin.duration(to: .now) / .seconds(1))
    }
    console.endProgress()

    let objective = model.objective
    let outcome = try evaluator.finish()
    _ = try communicator.onRoot {
        // The errors of the measures take minutes for many millions of jets.
        context.progress.enter(.saving)
        let predictions = evaluator.predictions
        let measures = EvaluationMeasures(objective, outcome, predictions)
        let report = EvaluationReport(model, measures, predictions, of: dataset)
        let skipped = try write(report, predictions, spectators, of: model, to: output)
        for name in skipped {
            console.warn("evaluate.spectators: '\(name)' is left out: the predictions have a dataset of that name")
        }
        console.say(measures.summary(in: output + "/metrics.json"))
        console.say("written to \(output)")
    }
    return .finished
}

/// The `metrics.json` that the end of a run writes; nil if it evaluates nothing.
func evaluationAtEnd(of options: RunOptions) -> String? {
    guard options.run.evaluated != .never, !options.data.test.isEmpty else { return nil }
    return options.run.directory + "/evaluation/metrics.json"
}

/// Evaluates the checkpoint of a finished run that `run.evaluate` names, unless that was done before with the same
/// weights, jets and settings. If it is stopped, the same command does it on the next start. Collective.
///
/// - Parameter files: the test files.
func evaluateAtEnd(
    of options: RunOptions, on files: [EvaluationReport.TestFile], in context: RunContext
) throws -> RunOutcome {
    guard evaluationAtEnd(of: options) != nil else { return .finished }
    let found = try context.communicator.onRoot { try checkpointToEvaluate(options, files, context.console) ?? "" }
    let checkpoint = try context.communicator.broadcast(found ?? "")
    guard !checkpoint.isEmpty else { return .finished }
    context.progress.enter(.startUp)
    // The current configuration of the run counts, not that of the time when the checkpoint was written.
    var options = options
    // The run has already warned where bf16 is not supported.
    if options.parallel.precision == .bfloat16 { options.parallel.precision = .auto }
    let model = try context.communicator.agree { [options] in try TrainedModel(checkpoint, options) }
    return try evaluate(model, output: evaluationFolder(of: checkpoint), reportsJets: false, in: context)
}

/// The checkpoint that the end of a run evaluates; nil if that was done, or if there is none.
private func checkpointToEvaluate(
    _ options: RunOptions, _ files: [EvaluationReport.TestFile], _ console: Console
) throws -> String? {
    let directory = options.run.directory
    guard let checkpoint = RunDirectory.finalCheckpoint(in: directory, best: options.run.evaluated == .best) else {
        console.say("no evaluation: \(directory) has no checkpoint")
        return nil
    }
    guard let path = evaluationAtEnd(of: options), let report = EvaluationReport(contentsOf: path) else {
        return checkpoint
    }
    guard let difference = try report.difference(from: checkpoint, options, files) else { return nil }
    console.say("\(path) \(difference): evaluating again")
    return checkpoint
}

/// The folder `evaluation` of the run that a checkpoint belongs to, or else beside the checkpoint.
package func evaluationFolder(of checkpoint: String) -> String {
    let folder = URL(fileURLWithPath: checkpoint).deletingLastPathComponent()
    let run = folder.lastPathComponent == "checkpoints" ? folder.deletingLastPathComponent() : folder
    return run.relativePath + "/evaluation"
}

/// Writes `predictions.h5`, an event file for TensorBoard, and last `metrics.json`, with which an evaluation is
/// complete; returns the spectators that are left out.
private func write(
    _ report: EvaluationReport, _ predictions: Predictions, _ spectators: JetSpectators?, of model: TrainedModel,
    to folder: String
) throws -> [String] {
    do {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
        throw KaonError("cannot create \(folder): \(reason(error))")
    }
    // Neither must remain beside results of another model.
    let metrics = folder + "/metrics.json"
    try remove(metrics)
    let skipped = try write(predictions, spectators, of: model, to: folder + "/predictions.h5")
    if model.options.training.tensorBoard.enabled {
        let results = report.measures.sorted { $0.key < $1.key }.compactMap { name, value in
            value.flatMap { $0.isFinite ? (name: "test/" + name, value: $0) : nil }
        }
        try TensorBoardFile(in: folder, purging: nil).write(results, step: report.step ?? 0)
    }
    try report.write(to: metrics)
    return skipped
}

private func write(
    _ predictions: Predictions, _ spectators: JetSpectators?, of model: TrainedModel, to file: String
) throws -> [String] {
    guard !predictions.columns.isEmpty else {
        try remove(file)
        return []
    }
    var skipped: [String] = []
    try replaceFile(file) { root in
        try root.setAttribute("checkpoint", to: model.checkpoint)
        if let classes = model.state.classes { try root.setAttribute("classes", to: classes.names) }
        try Provenance(seed: model.options.seed).save(to: root)
        try predictions.write(to: root)
        skipped = try spectators?.write(to: root) ?? []
    }
    return skipped
}

private func remove(_ file: String) throws {
    if unlink(file) != 0, errno != ENOENT { throw KaonError("cannot remove \(file): \(systemReason())") }
}
