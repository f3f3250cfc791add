import HDF5
import Jets
import MPI
import NN
import Objectives

/// What rank 0 writes while a run goes on: metrics and checkpoints. Other ranks enter its calls too, and learn of its
/// failures.
final class TrainingRecords {
    private let directory: RunDirectory?
    private let metrics: MetricsFile?
    private let preprocessing: QuantilePreprocessing
    private let configuration: String

    /// - Parameters:
    ///   - directory: the run's folder on rank 0, nil elsewhere.
    ///   - terms: the names of the losses, the total first.
    init(
        _ directory: RunDirectory?, terms: [String], step: Int, preprocessing: QuantilePreprocessing,
        configuration: String
    ) throws {
        self.directory = directory
        self.preprocessing = preprocessing
        self.configuration = configuration
        metrics = try directory.map { try MetricsFile(path: $0.metrics, terms: terms, resumingAfter: step) }
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
            let path = directory.checkpoint(step: state.step)
            try Checkpoint.write(
                to: path, parameters: objective.parameters, optimizer: optimizer, state: state,
                configuration: configuration
            ) { group in
                try FittedState.save(preprocessing, objective, to: group)
            }
            try directory.setLatest(step: state.step)
            console.say("step \(state.step): checkpoint \(path)")
        }
    }
}

/// What a run learns from the data before its first step: the preprocessing and the objective's own state.
enum FittedState {
    static func save(
        _ preprocessing: QuantilePreprocessing, _ objective: any Objective, to group: borrowing Group
    ) throws {
        try preprocessing.save(to: group.createGroup("preprocessing"))
        try objective.saveState(to: group.createGroup("objective"))
    }

    static func loadPreprocessing(from group: borrowing Group) throws -> QuantilePreprocessing {
        try QuantilePreprocessing(from: group.group("preprocessing"))
    }

    static func loadObjective(_ objective: any Objective, from group: borrowing Group) throws {
        try objective.loadState(from: group.group("objective"))
    }
}
