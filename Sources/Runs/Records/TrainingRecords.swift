import Jets
import MPI
import NN
import Objectives
import System
import Tensors

/// What rank 0 writes while a run goes on: metrics, for TensorBoard too, and checkpoints. Other ranks have one that does
/// nothing.
package final class TrainingRecords {
    private let metrics: MetricsFile?
    private let tensorBoard: TensorBoardFile?
    private let histogramInterval: Int?
    private let saver: CheckpointSaver?
    private let console: Console
    /// What the checkpoints have besides what changes from step to step.
    private let fitted: FittedState
    private var lacksRoom = false

    /// - Parameters:
    ///   - directory: the run's folder on rank 0, nil elsewhere.
    ///   - state: where the run stands.
    package init(
        _ directory: RunDirectory?, _ objective: any Objective, _ optimizer: any Optimizer, _ state: TrainingState,
        fitted: FittedState, order: JetOrder, options: RunOptions, console: Console
    ) throws {
        self.fitted = fitted
        let columns = ["total_loss"] + objective.terms.map(\.column) + objective.monitors
        let metrics = try directory.map {
            try MetricsFile(path: $0.metrics, columns: columns, keeping: state.rows, upTo: state.step)
        }
        self.metrics = metrics
        if let metrics, metrics.missing > 0 {
            console.warn(
                "\(plural(metrics.missing, "row")) of \(directory!.metrics) before step \(state.step) "
                    + "\(metrics.missing == 1 ? "is" : "are") damaged or gone; the others stay")
        }
        self.console = console
        let board = options.training.tensorBoard
        histogramInterval = directory == nil || !board.enabled ? nil : board.histogramInterval
        tensorBoard = board.enabled
            ? try directory.map { try Self.tensorBoard($0, metrics!, state, configuration: options.resolved) } : nil
        saver = directory.map {
            CheckpointSaver(
                $0, metrics!, state, TrainedValues(of: optimizer),
                order: order, options: options, console: console)
        }
    }

    /// The rows of `metrics.csv` that were there and stay; nil on other ranks than 0.
    package var rows: Int? { metrics?.kept.count }

    /// The time that the slowest checkpoint took [s]; 0 on other ranks than 0.
    package var slowestSave: Double { saver?.slowestSave ?? 0 }

    /// Begins an event file from which on only those rows count that `metrics.csv` has kept.
    private static func tensorBoard(
        _ directory: RunDirectory, _ metrics: MetricsFile, _ state: TrainingState, configuration: String
    ) throws -> TensorBoardFile {
        // A row that only the end of the run before had asked for stands at the step that it ended with.
        let first = min(metrics.firstGone ?? .max, state.step + 1)
        let file = try TensorBoardFile(in: directory.path, purging: first)
        try file.write(text: configuration, name: "configuration", step: state.step)
        for row in metrics.kept {
            guard let step = Int(row[0]), step >= first else { continue }
            try file.write(metrics.scalars(row), step: step)
        }
        return file
    }

    /// Appends a row of metrics. Where there is no room for it, it waits for the next.
    package func write(_ row: MetricsRow) {
        guard let metrics else { return }
        attempt([
            { try metrics.write(row) },
            { [tensorBoard] in try tensorBoard?.write(metrics.scalars(row), step: row.step) },
        ])
    }

    /// Writes the distributions of gradients and weights of the parameters that have learned, where they are due.
    package func writeHistograms(_ parameters: ParameterStore, factors: [Double], step: Int) {
        guard let tensorBoard, let histogramInterval, step % histogramInterval == 0 else { return }
        let learning = zip(parameters.groups, factors).filter { $1 > 0 }
            .flatMap { group, _ in parameters.parameters[group.parameters] }
        func histograms(_ name: String, _ tensor: Tensor) -> [(name: String, histogram: ValueHistogram)] {
            learning.compactMap { parameter in
                ValueHistogram(UnsafeBufferPointer(rebasing: tensor.buffer[parameter.range]))
                    .map { ("\(name)/\(parameter.name)", $0) }
            }
        }
        attempt([{
            try tensorBoard.write(
                histograms("gradients", parameters.gradients) + histograms("weights", parameters.values), step: step)
        }])
    }

    /// Does each, and warns of the first that fails, once until all have succeeded again.
    private func attempt(_ works: [() throws -> Void]) {
        var failure: (any Error)?
        for work in works {
            do { try work() } catch { failure = failure ?? error }
        }
        if let failure, !lacksRoom {
            console.warn("\(failure); training goes on, and the rows wait until they can be written")
        }
        lacksRoom = failure != nil
    }

    /// Writes a checkpoint in the background and makes it the latest; a failure is told as a warning.
    package func startSaving(
        _ objective: any Objective, _ optimizer: any Optimizer, _ state: TrainingState, validationLoss: Double?
    ) {
        saver?.start(content(objective, optimizer, state, validationLoss))
    }

    /// Writes a checkpoint that nothing comes after; collective. Throws `AgreedError`.
    package func saveLast(
        _ objective: any Objective, _ optimizer: any Optimizer, _ state: TrainingState, validationLoss: Double?,
        on communicator: Communicator
    ) throws {
        _ = try communicator.onRoot {
            try saver?.saveNow(content(objective, optimizer, state, validationLoss))
        }
    }

    /// Waits for the checkpoint that is on its way.
    package func finishSaving() { saver?.finish() }

    private func content(
        _ objective: any Objective, _ optimizer: any Optimizer, _ state: TrainingState, _ validationLoss: Double?
    ) -> CheckpointSaver.Content {
        var fitted = fitted
        fitted.objective = objective.state
        return CheckpointSaver.Content(
            parameters: objective.parameters, fitted: fitted,
            values: TrainedValues(of: optimizer), state: state,
            validationLoss: validationLoss)
    }
}

extension JetOrder {
    /// All that the order of the jets follows from, but the lengths of the single files.
    package var summary: String {
        "batches of \(batchSize) of \(count) jets, \(shuffle ? "shuffled" : "unshuffled"), seed \(seed), "
            + "files of \(layout.blockCount) blocks of up to \(layout.blockRows) jets"
            + (numbering.selection.map { ", selection \(String($0.checksum, radix: 16))" } ?? "")
    }
}
