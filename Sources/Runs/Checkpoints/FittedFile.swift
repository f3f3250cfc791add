import Foundation
import HDF5
import Jets
import MPI
import Objectives

/// `fitted.h5` of a run: what was learned from the data, so that a restart before the first checkpoint need
/// not learn it again. It is used only while the settings that it depends on are unchanged.
package struct FittedFile {
    private let path: String
    private let fingerprint: String
    private let communicator: Communicator

    package init(_ options: RunOptions, _ train: JetDataset, on communicator: Communicator) {
        path = options.run.directory + "/fitted.h5"
        // Rank 0 alone compares; the others need not ask for the dates of a thousand files.
        let files = (communicator.rank == 0 ? train.paths : []).map { path in
            let attributes = try? FileManager.default.attributesOfItem(atPath: path)
            return "\(path) of \(attributes?[.modificationDate] ?? "no date")"
        }
        let settings: [Any] = [
            options.seed, files, train.count, options.choice, options.data.features.names,
            options.data.maxConstituents,
            options.data.shuffle, options.preprocessing, options.backbone as Any, options.training.batchSize,
            options.objective,
        ]
        fingerprint = settings.map { "\($0)" }.joined(separator: "; ")
        self.communicator = communicator
    }

    /// What an earlier start found; nil where it has to be found anew.
    package func read() throws -> FittedState? {
        let isUsable = try communicator.onRoot { () -> Int in
            // Whatever is wrong with the file, it can be made again.
            guard let file = try? openSealed(path), (try? file.root.verify()) != nil else { return 0 }
            return (try? file.root.stringAttribute("fingerprint")) == fingerprint ? 1 : 0
        }
        guard try communicator.broadcast([isUsable ?? 0])[0] == 1 else { return nil }
        return try communicator.agree {
            let file = try openSealed(path)
            return try FittedState(from: file.root)
        }
    }

    package func write(_ fitted: FittedState) throws {
        _ = try communicator.onRoot {
            try replaceFile(path, isSealed: true) { root in
                try root.setAttribute("fingerprint", to: fingerprint)
                try root.sealAttributes()
                try fitted.save(to: root)
            }
        }
    }
}

/// What a run knows besides parameters and optimizer: the preprocessing, the classes that it tells apart, and what the
/// objective keeps.
package struct FittedState: Sendable {
    package var preprocessing: any Preprocessing
    package var classes: JetClasses?
    package var objective: ObjectiveState

    package init(preprocessing: any Preprocessing, classes: JetClasses?, objective: ObjectiveState) {
        self.preprocessing = preprocessing
        self.classes = classes
        self.objective = objective
    }

    package func save(to group: borrowing Group) throws {
        try preprocessing.save(to: group.createGroup("preprocessing"))
        try objective.save(to: group.createGroup("objective"))
        guard let classes else { return }
        let names = try group.createGroup("classes")
        try names.setAttribute("names", to: classes.names)
        try names.sealAttributes()
    }

    package init(from group: borrowing Group) throws {
        preprocessing = try PreprocessingOptions.load(from: group.group("preprocessing"))
        objective = try ObjectiveState(from: group.group("objective"))
        guard group.contains("classes") else { return }
        let names = try group.group("classes")
        try names.verifyAttributes()
        classes = JetClasses(try names.stringsAttribute("names"))
    }
}
