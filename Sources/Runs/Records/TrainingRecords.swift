import Distributed
import Jets
import MPI
import NN
import Objectives
import System
import Tensors

/// Output of rank 0 during a run: metrics, TensorBoard events and checkpoints. Other ranks only send what rank 0 needs.
// Unchecked, because the background thread only sends a copy.
package final class TrainingRecords: @unchecked Sendable {
    private let metrics: MetricsFile?
    private let tensorBoard: TensorBoardFile?
    private let histogramInterval: Int?
    private let saver: CheckpointSaver?
    private let parameters: DistributedParameters
    /// Nil in a job of one rank.
    private let collector: OptimizerStateCollector?
    /// Sends the share of a rank other than 0.
    private let sending = BackgroundTask()
    /// Memory of the share that is being sent.
    private var sent: OptimizerState?
    private let console: Console
    private let objective: any Objective
    private let optimizer: any Optimizer
    /// Preprocessing and classes, which checkpoints contain.
    private let fitted: FittedState
    /// True after a failed write of which a warning was printed.
    private var hasWarned = false

    /// - Parameters:
    ///   - directory: the run directory on rank 0; nil on other ranks.
    ///   - parameters: those of the objective.
    ///   - collector: collects the optimizer's state from all ranks; nil in a job of one rank.
    ///   - order: the order of the training jets, which checkpoints record.
    package init(
        _ directory: RunDirectory?, _ options: RunOptions, _ objective: any Objective, _ run: PreparedRun,
        _ parameters: DistributedParameters, _ collector: OptimizerStateCollector?, order: JetOrder, console: Console
    ) throws {
        (self.parameters, self.collector) = (parameters, collector)
        (self.objective, self.console, optimizer, fitted) = (objective, console, run.optimizer, run.fitted)
        let state = run.state
        let columns = ["total_loss"] + objective.terms.map(\.column) + objective.monitors.map(\.rawValue)
        let metrics = try directory.map {
            try MetricsFile(path: $0.metrics, columns: columns, keeping: state.rows, upTo: state.step)
        }
        self.metrics = metrics
        if let metrics, metrics.missing > 0 {
            console.warn(
                "\(plural(metrics.missing, "row")) of \(directory!.metrics) before step \(state.step) "
                    + "\(metrics.missing == 1 ? "is" : "are") damaged or missing; the others are kept")
        }
        let board = options.training.tensorBoard
        histogramInterval = board.enabled ? board.histogramInterval : nil
        tensorBoard =
            board.enabled
            ? try directory.map { try Self.tensorBoard($0, metrics!, state, options) } : nil
        saver = try directory.map {
            try CheckpointSaver($0, metrics!, run, collector, order: order, options: options, console: console)
        }
    }

    /// Number of rows of `metrics.csv` from before that were kept; nil on ranks other than 0.
    package var rows: Int? { metrics?.kept.count }

    /// The checkpoint with the lowest validation loss so far; nil on ranks other than 0.
    package var best: TrainingState.Best? { saver?.best }

    /// Longest time that a checkpoint took [s]; 0 on ranks other than 0.
    package var slowestSave: Double { saver?.slowestSave ?? 0 }

    /// Starts an event file that replaces what earlier files have after the rows that `metrics.csv` keeps.
    private static func tensorBoard(
        _ directory: RunDirectory, _ metrics: MetricsFile, _ state: TrainingState, _ options: RunOptions
    ) throws -> TensorBoardFile {
        // The last row of the earlier run, written only because the run ended, is at its last step.
        let first = min(metrics.firstGone ?? .max, state.step + 1)
        let file = try TensorBoardFile(in: directory.path, purging: first)
        try file.write(text: options.resolved, name: "configuration", step: state.step)
        try file.write(settings: Hyperparameter.all(of: options.configuration))
        for row in metrics.kept {
            guard let step = Int(row[0]), step >= first else { continue }
            try file.write(metrics.scalars(row), step: step)
        }
        return file
    }

    /// Appends a row of metrics; one that cannot be written is kept and written with the next.
    package func write(_ row: MetricsRow) {
        guard let metrics else { return }
        attempt([
            { try metrics.write(row) },
            { [tensorBoard] in try tensorBoard?.write(metrics.scalars(row), step: row.step) },
        ])
    }

    /// Writes histograms of gradients and weights, if they are due at this step. Collective. Throws `MPIError`.
    ///
    /// - Parameter factors: learning-rate factors of the parameter groups; those of factor 0 are left out.
    package func writeHistograms(factors: [Double], step: Int) throws {
        guard let histogramInterval, step % histogramInterval == 0 else { return }
        let gradients = try parameters.collectedGradients()
        guard let tensorBoard, let gradients else { return }
        let store = parameters.store
        let learning = zip(store.groups, factors).filter { $1 > 0 }
            .flatMap { group, _ in store.parameters[group.parameters] }
        func histograms(_ name: String, _ tensor: Tensor) -> [(name: String, histogram: ValueHistogram)] {
            learning.compactMap { parameter in
                ValueHistogram(UnsafeBufferPointer(rebasing: tensor.buffer[parameter.range]))
                    .map { ("\(name)/\(parameter.name)", $0) }
            }
        }
        attempt([
            {
                try tensorBoard.write(
                    histograms("gradients", gradients) + histograms("weights", store.values), step: step
                )
            }
        ])
    }

    /// Writes the rows and events that could not be written before.
    private func flush() {
        attempt([{ [metrics] in try metrics?.flush() }, { [tensorBoard] in try tensorBoard?.flush() }])
    }

    /// Runs each write; warns of the first failure, and not again before all have succeeded.
    private func attempt(_ works: [() throws -> Void]) {
        var failure: (any Error)?
        for work in works {
            do { try work() } catch { failure = failure ?? error }
        }
        if let failure, !hasWarned {
            console.warn("\(failure); training continues, and the rows will be written as soon as that is possible")
        }
        hasWarned = failure != nil
    }

    /// Writes a checkpoint in the background and makes it the latest; a failure is a warning. Collective.
    package func startSaving(_ state: TrainingState, validationLoss: Double?) {
        flush()
        if let saver { return saver.start(content(state, validationLoss)) }
        guard let collector else { return }
        sending.finish()
        let share = optimizer.state.copy(reusing: sent)
        sent = share
        if collector.worksInBackground {
            sending.start { [self] in send(share) }
        } else {
            send(share)
        }
    }

    /// Writes the last checkpoint before the run ends; collective. Throws `AgreedError`.
    package func saveLast(_ state: TrainingState, validationLoss: Double?, on communicator: Communicator) throws {
        sending.finish()
        flush()
        if saver == nil { send(optimizer.state) }
        _ = try communicator.onRoot { try saver?.saveNow(content(state, validationLoss)) }
    }

    /// Records that the run is complete.
    package func end() {
        guard let tensorBoard else { return }
        attempt([{ try tensorBoard.writeEnd() }])
    }

    /// The loss of the best checkpoint, infinite without one, if weights with a lower loss have been lost since the
    /// last call; otherwise nil. Waits for the checkpoint that is being written. Collective. Throws `MPIError`.
    package func lossAfterFailure(on communicator: Communicator) throws -> Double? {
        try communicator.broadcast(saver?.lossAfterFailure().map { [$0] } ?? []).first
    }

    /// Waits for the checkpoint that is being written.
    package func finishSaving() {
        saver?.finish()
        sending.finish()
    }

    /// Sends this rank's share of the optimizer's state to rank 0.
    private func send(_ share: OptimizerState) {
        _ = collector?.collect(share, for: parameters.store, reusing: nil, console: console)
    }

    private func content(_ state: TrainingState, _ validationLoss: Double?) -> CheckpointSaver.Content {
        var fitted = fitted
        fitted.objective = objective.state
        return CheckpointSaver.Content(
            parameters: parameters.store, fitted: fitted, values: TrainedValues(of: optimizer), state: state,
            validationLoss: validationLoss)
    }
}

extension JetOrder {
    /// Everything that determines the order of the jets except the lengths of the individual files.
    package var summary: String {
        "batches of \(batchSize) of \(count) jets, \(shuffle ? "shuffled" : "unshuffled"), seed \(seed), "
            + "files of \(layout.blockCount) blocks of up to \(layout.blockRows) jets"
            + (numbering.selection.map { ", selection \(String($0.checksum, radix: 16))" } ?? "")
    }
}
