import Jets
import MPI
import NN
import Objectives

/// What rank 0 writes while a run goes on: metrics and checkpoints. Other ranks have one that does nothing.
final class TrainingRecords {
    private let metrics: MetricsFile?
    private let saver: CheckpointSaver?
    private let console: Console
    /// What the checkpoints have besides what changes from step to step.
    private let fitted: FittedState
    private var lacksRoom = false

    /// - Parameters:
    ///   - directory: the run's folder on rank 0, nil elsewhere.
    ///   - state: where the run stands.
    init(
        _ directory: RunDirectory?, _ objective: any Objective, _ optimizer: AdamW, _ state: TrainingState,
        fitted: FittedState, order: JetOrder, options: RunOptions, console: Console
    ) throws {
        self.fitted = fitted
        let columns = ["total_loss"] + objective.terms.map(\.column) + objective.monitors
        let metrics = try directory.map { try MetricsFile(path: $0.metrics, columns: columns, keeping: state.rows) }
        self.metrics = metrics
        self.console = console
        saver = directory.map {
            CheckpointSaver(
                $0, metrics!, state, TrainedValues(of: objective.parameters, optimizer),
                order: order, options: options, console: console)
        }
    }

    /// The time that the slowest checkpoint took [s]; 0 on other ranks than 0.
    var slowestSave: Double { saver?.slowestSave ?? 0 }

    /// Appends a row of metrics. Where there is no room for it, it waits for the next.
    func write(_ row: MetricsRow) {
        do {
            try metrics?.write(row)
            lacksRoom = false
        } catch {
            if !lacksRoom { console.warn("\(error); training goes on, and the rows wait until they can be written") }
            lacksRoom = true
        }
    }

    /// Writes a checkpoint in the background and makes it the latest; a failure is told as a warning.
    func startSaving(
        _ objective: any Objective, _ optimizer: AdamW, _ state: TrainingState, validationLoss: Double?
    ) {
        saver?.start(content(objective, optimizer, state, validationLoss))
    }

    /// Writes a checkpoint that nothing comes after; collective. Throws `AgreedError`.
    func saveLast(
        _ objective: any Objective, _ optimizer: AdamW, _ state: TrainingState, validationLoss: Double?,
        on communicator: Communicator
    ) throws {
        _ = try communicator.onRoot {
            try saver?.saveNow(content(objective, optimizer, state, validationLoss))
        }
    }

    /// Waits for the checkpoint that is on its way.
    func finishSaving() { saver?.finish() }

    private func content(
        _ objective: any Objective, _ optimizer: AdamW, _ state: TrainingState, _ validationLoss: Double?
    ) -> CheckpointSaver.Content {
        var fitted = fitted
        fitted.objective = objective.state
        return CheckpointSaver.Content(
            parameters: objective.parameters, fitted: fitted,
            values: TrainedValues(of: objective.parameters, optimizer), state: state,
            validationLoss: validationLoss)
    }
}

extension JetOrder {
    /// All that the order of the jets follows from, but the lengths of the single files.
    var summary: String {
        "batches of \(batchSize) of \(count) jets, \(shuffle ? "shuffled" : "unshuffled"), seed \(seed), "
            + "files of \(layout.blockCount) blocks of up to \(layout.blockRows) jets"
            + (numbering.selection.map { ", selection \(String($0.checksum, radix: 16))" } ?? "")
    }
}
