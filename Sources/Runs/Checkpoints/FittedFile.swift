import Configuration
import Foundation
import HDF5
import Jets
import MPI
import Objectives
import System

/// `fitted.h5` of a run: everything fitted to the data at the start, so that a restart before the first checkpoint can
/// skip the fits. Valid only as long as the configuration keys and files that the fits depend on are unchanged.
package struct FittedFile {
    private let path: String
    private let fingerprint: String
    private let communicator: Communicator

    package init(_ options: RunOptions, _ train: JetDataset, on communicator: Communicator) {
        path = options.run.directory + "/fitted.h5"
        // Only rank 0 compares fingerprints, so only it reads the dates of what may be a thousand files.
        let models = [options.backbone, options.tokenizer].compactMap { $0 }
        let files = (communicator.rank == 0 ? train.paths + models : []).map { path in
            "\(path) of \(modificationDate(of: path).map { "\($0)" } ?? "no date")"
        }
        let settings = options.configuration.settings.filter(Self.affectsFit).map { "\($0.key): \($0.value)" }
        fingerprint = (settings + ["\(train.count) jets"] + files).joined(separator: "; ")
        self.communicator = communicator
    }

    /// True for keys that the fits depend on. Of the training files, names and dates are compared instead of the key.
    private static func affectsFit(_ setting: Configuration.Setting) -> Bool {
        setting.key == "training.batch_size"
            || !setting.isIn([
                "run", "data.train", "data.validation", "data.test", "model.initial_weights", "optimizer", "schedule",
                "training", "parallel", "evaluate",
            ])
    }

    /// The results of an earlier start; nil if they are missing, damaged or no longer valid. Collective.
    package func read() throws -> FittedState? {
        let isUsable = try communicator.onRoot { () -> Int in
            // A damaged file is no error: it is written again.
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

/// The state of a run that is fitted to the data before the first step: preprocessing, classes and the fitted parts of
/// the objective.
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
