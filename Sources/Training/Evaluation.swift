import Foundation
import HDF5
import Jets
import MPI
import Objectives
import Runs
import Supervision
import System
import Tensors

/// A model as a checkpoint has it, ready to be asked.
package struct TrainedModel {
    package let options: RunOptions
    package let objective: any Objective
    package let fitted: FittedState

    /// Builds the model of a checkpoint and reads its weights; overrides may change what does not shape it.
    ///
    /// Throws `HDF5Error`, `KaonError`, `ConfigurationError` or `ObjectiveError`.
    package init(_ checkpoint: String, overrides: [String]) throws {
        options = try RunOptions(ofCheckpoint: checkpoint, overrides: overrides)
        fitted = try Checkpoint.fittedState(of: checkpoint)
        objective = options.makeObjective(classes: fitted.classes)
        try Checkpoint.readWeights(from: checkpoint, into: objective.parameters)
        try objective.restore(fitted.objective)
    }

    /// Gives jets in the order of the files as the model takes them.
    package func loader(_ dataset: JetDataset) throws -> JetLoader {
        JetLoader(
            dataset: dataset, preprocessing: fitted.preprocessing,
            order: .init(batchSize: options.training.batchSize, seed: options.seed, shuffle: false),
            contents: .init(momenta: objective.needsMomenta, classOfLabel: try fitted.classes?.indices(in: dataset)))
    }
}

/// `kaon evaluate`: asks the model of a checkpoint about the jets of `data.test`, and writes `metrics.json` and, for a
/// task with answers for every jet, `predictions.h5`; collective.
///
/// - Parameter output: the folder to write to; by default `evaluation` in that of the run.
package func evaluate(
    _ checkpoint: String, overrides: [String], output: String?, on communicator: Communicator, console: Console
) throws {
    let model = try communicator.agree { try TrainedModel(checkpoint, overrides: overrides) }
    _ = try ComputeThreads.start(model.options.threads, on: communicator)
    _ = try evaluate(
        model, checkpoint, output: output, on: communicator, console: console, progress: ProgressTracker()) { _ in nil }
}

/// Evaluates what a finished run has trained, unless that was done before with the same checkpoint and jets. When
/// `shouldStop` turns true on any rank, or the time is up, nothing is written, and the same run does it when it is
/// started again.
package func evaluateAtEnd(
    of options: RunOptions, on communicator: Communicator, console: Console, progress: ProgressTracker,
    budget: TimeBudget?, shouldStop: () -> Bool
) throws -> RunOutcome {
    guard options.run.evaluated != .never, !options.data.test.isEmpty else { return .finished }
    let folder = options.run.directory + "/checkpoints/"
    let found = try communicator.onRoot { () -> String in
        let best = folder + "best"
        let checkpoint = options.run.evaluated == .best && FileManager.default.fileExists(atPath: best)
            ? best : folder + "latest"
        let path = options.run.directory + "/evaluation/metrics.json"
        let report = FileManager.default.contents(atPath: path).flatMap {
            try? EvaluationReport.decoder.decode(EvaluationReport.self, from: $0)
        }
        let isDone = try report?.step == Checkpoint.step(of: checkpoint) && report?.test == options.data.test
        return isDone ? "" : checkpoint
    }
    let checkpoint = try communicator.broadcast(found ?? "")
    guard !checkpoint.isEmpty else { return .finished }
    progress.enter(.startUp)
    // What the run says now, not what it said when the checkpoint was written.
    let paths = try options.data.test.map { String(decoding: try EvaluationReport.encoder.encode($0), as: UTF8.self) }
    let overrides = [
        "data.test=[\(paths.joined(separator: ", "))]", "training.batch_size=\(options.training.batchSize)",
        "training.micro_batch_size=\(options.training.microBatchSize)",
    ]
    let model = try communicator.agree { try TrainedModel(checkpoint, overrides: overrides) }
    return try evaluate(
        model, checkpoint, output: nil, on: communicator, console: console, progress: progress
    ) { seconds in
        if budget?.isSpent(reserving: 2 * seconds) ?? false { return budget!.reason }
        return shouldStop() ? "a signal" : nil
    }
}

/// - Parameter stopReason: why the evaluation is to end at once, if it is; is told how long a batch takes [s].
private func evaluate(
    _ model: TrainedModel, _ checkpoint: String, output: String?, on communicator: Communicator, console: Console,
    progress: ProgressTracker, stopReason: (Double) -> String?
) throws -> RunOutcome {
    let options = model.options
    let dataset = try openTestJets(
        options, classes: model.fitted.classes?.names, constituentLabels: options.objective.constituentLabels,
        on: communicator)
    let loader = try communicator.agree { try model.loader(dataset) }
    console.say("\(checkpoint): \(options.objective.name.rawValue) on \(dataset.count) jets")

    let terms = model.objective.terms
    var sums = Array(repeating: 0.0, count: 2 * terms.count)
    var predictions = Predictions()
    var slowest = 0.0
    for step in 0..<loader.stepsPerEpoch {
        progress.enter(.summing)
        let reasons = try communicator.allGather(stopReason(slowest) ?? "")
        if let reason = reasons.first(where: { !$0.isEmpty }) {
            console.endProgress()
            console.say("stopped by \(reason) during the evaluation, which the same command begins anew")
            return .stopped
        }
        let begin = ContinuousClock.now
        progress.enter(.validation)
        let part = try communicator.agree {
            let batch = try loader.batch(epoch: 0, step: step)
            var part = Predictions()
            for start in stride(from: 0, to: batch.count, by: options.training.microBatchSize) {
                let jets = batch.slice(jets: start..<min(start + options.training.microBatchSize, batch.count))
                let ready = model.objective.prepare(jets, phase: .validation)
                sums.add(ready.evaluate(terms.map { _ in 0 }, Tape(recording: false)) + ready.counts)
                part.append(model.objective.predict(jets, model.fitted.preprocessing))
            }
            return part
        }
        progress.enter(.summing)
        if let all = try part.gathered(on: communicator) { predictions.append(all) }
        let done = min((step + 1) * loader.order.batchSize, dataset.count)
        console.progress("\(done) of \(dataset.count) jets", isLogged: false)
        slowest = max(slowest, begin.duration(to: .now) / .seconds(1))
    }
    console.endProgress()
    let totals = try communicator.allReduce(sums)
    let means = zip(terms, zip(totals, totals.dropFirst(terms.count))).map { term, total in
        Measure(term.column, total.1 > 0 ? total.0 / total.1 : 0)
    }
    let monitors = zip(model.objective.monitors, try model.objective.validationDidEnd(on: communicator))
        .map { Measure($0, $1) }
    _ = try communicator.onRoot {
        let measures = means + monitors + model.objective.measures(of: predictions)
        let folder = output ?? runFolder(of: checkpoint) + "/evaluation"
        try write(measures, predictions, of: model, checkpoint, jets: dataset.count, to: folder)
        console.say(aligned(measures.map { [$0.name, $0.value.isNaN ? "nan" : String(format: "%.5g", $0.value)] }))
        console.say("written to \(folder)")
    }
    return .finished
}

/// `metrics.json`.
private struct EvaluationReport: Codable {
    var checkpoint: String
    /// The step of the checkpoint, which an export does not know, and the files of the jets.
    var step: Int?
    var test: [String]
    var objective: String
    var jets: Int
    var measures: [String: Double]
    var tables: [String: [[Double]]]?
    var classes: [String]?

    static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return encoder
    }
    static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return decoder
    }
}

/// The folder of the run that a checkpoint belongs to, or else the one it stands in.
private func runFolder(of checkpoint: String) -> String {
    let folder = URL(fileURLWithPath: checkpoint).deletingLastPathComponent()
    return (folder.lastPathComponent == "checkpoints" ? folder.deletingLastPathComponent() : folder).relativePath
}

private func write(
    _ measures: [Measure], _ predictions: Predictions, of model: TrainedModel, _ checkpoint: String, jets: Int,
    to folder: String
) throws {
    do {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
        throw KaonError("cannot create \(folder): \(reason(error))")
    }
    let report = EvaluationReport(
        checkpoint: checkpoint, step: try? Checkpoint.step(of: checkpoint), test: model.options.data.test,
        objective: model.options.objective.name.rawValue, jets: jets,
        measures: Dictionary(measures.map { ($0.name, $0.value) }) { first, _ in first },
        tables: predictions.columns.isEmpty ? nil : model.objective.tables(of: predictions),
        classes: model.fitted.classes?.names)
    try writeAtomically(String(decoding: EvaluationReport.encoder.encode(report), as: UTF8.self) + "\n", to: folder + "/metrics.json")
    guard !predictions.columns.isEmpty else { return }
    try replaceFile(folder + "/predictions.h5") { root in
        try root.setAttribute("checkpoint", to: checkpoint)
        if let classes = model.fitted.classes { try root.setAttribute("classes", to: classes.names) }
        try predictions.write(to: root)
    }
}

extension Predictions {
    /// The rows of all ranks in their order, on rank 0; collective.
    package func gathered(on communicator: Communicator) throws -> Predictions? {
        guard communicator.size > 1 else { return self }
        // A rank without jets does not know the columns.
        let names = Set(try communicator.allGather(columns.keys.sorted().joined(separator: "\n")).flatMap {
            $0.split(separator: "\n").map(String.init)
        }).sorted()
        var result: [String: Column] = [:]
        for name in names {
            let column = columns[name]
            let width = try communicator.allReduce(column?.width ?? 0, .maximum)
            let isFloat: Bool
            if case .floats? = column?.values { isFloat = true } else { isFloat = false }
            if try communicator.allReduce(isFloat ? 1 : 0, .maximum) == 1 {
                let parts = try communicator.gather(floats(name))
                if let parts { result[name] = Column(Array(parts.joined()), width: width) }
            } else {
                let parts = try communicator.gather(integers(name))
                if let parts { result[name] = Column(Array(parts.joined()), width: width) }
            }
        }
        return communicator.rank == 0 ? Predictions(result) : nil
    }

    /// Writes a dataset a column.
    package func write(to group: borrowing Group) throws {
        for (name, column) in columns.sorted(by: { $0.key < $1.key }) {
            func shape(_ count: Int) -> [Int] { column.width == 1 ? [count] : [count / column.width, column.width] }
            switch column.values {
            case .floats(let values): try group.write(values, shape: shape(values.count), as: name)
            case .integers(let values): try group.write(values, shape: shape(values.count), as: name)
            }
        }
    }
}
