import Foundation
import HDF5
import Jets
import MPI
import Objectives

/// `fitted.h5` of a run: what was learned from the data, so that a restart before the first checkpoint need
/// not learn it again. It is used only while the settings that it depends on are unchanged.
struct FittedFile {
    private let path: String
    private let fingerprint: String
    private let communicator: Communicator

    init(_ options: RunOptions, _ train: JetDataset, on communicator: Communicator) {
        path = options.run.directory + "/fitted.h5"
        // Rank 0 alone compares; the others need not ask for the dates of a thousand files.
        let files = (communicator.rank == 0 ? train.paths : []).map { path in
            let attributes = try? FileManager.default.attributesOfItem(atPath: path)
            return "\(path) of \(attributes?[.modificationDate] ?? "no date")"
        }
        let settings: [Any] = [
            options.seed, files, train.count, options.data.choice, options.data.features.names,
            options.data.maxConstituents,
            options.data.shuffle, options.preprocessing, options.training.batchSize,
            options.maskedParticles.tasks.kmeans as Any,
        ]
        fingerprint = settings.map { "\($0)" }.joined(separator: "; ")
        self.communicator = communicator
    }

    func read(into objective: any Objective) throws -> QuantilePreprocessing? {
        let isUsable = try communicator.onRoot { () -> Int in
            // Whatever is wrong with the file, it can be made again.
            guard let file = try? openSealed(path), (try? file.root.verify()) != nil else { return 0 }
            return (try? file.root.stringAttribute("fingerprint")) == fingerprint ? 1 : 0
        }
        guard try communicator.broadcast([isUsable ?? 0])[0] == 1 else { return nil }
        return try communicator.agree {
            let file = try openSealed(path)
            try FittedState.loadObjective(objective, from: file.root)
            return try FittedState.loadPreprocessing(from: file.root)
        }
    }

    func write(_ preprocessing: QuantilePreprocessing, _ objective: any Objective) throws {
        _ = try communicator.onRoot {
            try replaceFile(path, isSealed: true) { root in
                try root.setAttribute("fingerprint", to: fingerprint)
                try root.sealAttributes()
                try FittedState.save(preprocessing, objective, to: root)
            }
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
