import Configuration
import Objectives

/// Configurations of earlier versions, whose files and checkpoints stay readable.
///
/// A key whose default differs from what a version without the key did is a row of `addedKeys`. The configuration of a
/// checkpoint without it then has the former value, and a run keeps the value of its own checkpoint unless the key is
/// given.
extension Configuration {
    private struct AddedKey {
        let path: String
        /// True if the key is part of the model.
        var shapesModel = true
        /// The value that describes versions without the key.
        let former: String
        /// True for a configuration that has the key.
        let isUsed: @Sendable (Configuration) -> Bool
    }

    private static let addedKeys = [
        AddedKey(path: "tasks.flow.context", former: "hidden") { $0.hasSection("tasks.flow") },
        AddedKey(path: "head.norm", former: "false") {
            [.some(.classification), .cwola].contains($0.objective)
                && [nil, "class_attention"].contains($0.value(of: "head.name"))
        },
        AddedKey(path: "training.micro_batch_size", shapesModel: false, former: "64") { _ in true },
        AddedKey(path: "head.label_smoothing", former: "0.0") { $0.objective == .trackOrigin },
    ]

    /// nil for a word that is no objective, which decoding reports.
    private var objective: ObjectiveOptions.Name? {
        value(of: "objective").map { ObjectiveOptions.Name(rawValue: $0) } ?? .default
    }

    /// The same with the present names of keys: a number of channels in `tasks.flow.context` is `condition`.
    var withPresentNames: Configuration {
        var result = self
        let channels = "tasks.flow.context"
        if value(of: channels).flatMap({ Int($0) }) != nil { result.rename(channels, to: "condition") }
        return result
    }

    /// The complete configuration of a checkpoint, whose missing keys are those of later versions.
    ///
    /// Throws `HDF5Error`, `KaonError` or `ConfigurationError`.
    package init(ofCheckpoint path: String) throws {
        self = try Configuration(yaml: ModelFile.configuration(of: path), name: path, isOfCheckpoint: true)
            .withPresentNames
        for key in Self.addedKeys where key.isUsed(self) && value(of: key.path) == nil {
            try override("\(key.path)=\(key.former)")
        }
    }

    /// Takes the added keys that are left out from the checkpoint that gives the weights, so that the model is the
    /// same, and the run if it continues.
    mutating func adoptAddedKeys(of checkpoint: Configuration, continues: Bool) throws {
        for key in Self.addedKeys
        where key.isUsed(self) && value(of: key.path) == nil && checkpoint.objective == objective
            && (continues || key.shapesModel)
        {
            if let value = checkpoint.value(of: key.path) { try override("\(key.path)=\(value)") }
        }
    }
}
