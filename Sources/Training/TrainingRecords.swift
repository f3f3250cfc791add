import HDF5
import Jets
import MPI
import NN
import Objectives

/// What rank 0 writes while a run goes on: metrics and checkpoints. Other ranks enter its calls too, and
/// learn of its failures.
final class TrainingRecords {
    private let directory: RunDirectory?
    private let metrics: MetricsFile?
    private let preprocessing: QuantilePreprocessing
    private let order: JetOrder
    private let configuration: String

    /// - Parameters:
    ///   - directory: the run's folder on rank 0, nil elsewhere.
    ///   - terms: the names of the losses, the total first.
    ///   - rows: the rows of metrics that the run has so far.
    init(
        _ directory: RunDirectory?, terms: [String], rows: Int, preprocessing: QuantilePreprocessing,
        order: JetOrder,
        configuration: String
    ) throws {
        self.directory = directory
        self.preprocessing = preprocessing
        self.order = order
        self.configuration = configuration
        metrics = try directory.map { try MetricsFile(path: $0.metrics, terms: terms, keeping: rows) }
    }

    /// Appends a row of metrics; collective.
    func write(_ row: MetricsRow, on communicator: Communicator) throws {
        _ = try communicator.onRoot { try metrics?.write(row) }
    }

    /// Writes a checkpoint and makes it the latest; collective.
    func save(
        _ objective: any Objective, _ optimizer: AdamW, _ state: TrainingState, on communicator: Communicator,
        console: Console
    ) throws {
        _ = try communicator.onRoot {
            guard let directory else { return }
            try metrics?.synchronize()
            let path = directory.checkpoint(step: state.step)
            try Checkpoint.write(
                to: path, parameters: objective.parameters, optimizer: optimizer, state: state,
                configuration: configuration
            ) { group in
                try FittedState.save(preprocessing, objective, to: group)
                try group.setAttribute("order", to: order.summary)
            }
            try directory.setLatest(step: state.step)
            console.say("step \(state.step): checkpoint \(path)")
        }
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
