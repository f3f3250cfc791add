import Jets
import NN
import Objectives

/// A file with a trained model: a checkpoint, or an exported model where only the model is needed.
package enum ModelFile {
    /// Reads the weights of all parameters. Throws `KaonError` if the file is of another model, or a weight has values
    /// that are not finite.
    ///
    /// - Parameter average: true for the moving average of the weights of a checkpoint; an export has one kind.
    package static func readWeights(
        from path: String, into parameters: ParameterStore, average: Bool = false
    ) throws {
        if let export = try export(path) { return try export.readWeights(into: parameters) }
        try Checkpoint.readWeights(from: path, into: parameters, average: average)
    }

    /// Reads initial weights: those of all parameters, or of the backbone only from an exported backbone. Returns the
    /// number of parameters read. Throws `KaonError` if one has values that are not finite.
    package static func readInitialWeights(from path: String, into parameters: ParameterStore) throws -> Int {
        if let export = try export(path) { return try export.readInitialWeights(into: parameters) }
        try Checkpoint.readWeights(from: path, into: parameters)
        return parameters.parameters.count
    }

    /// Reads the weights of one parameter group; the file may have others as well. Throws `KaonError` if one has
    /// values that are not finite.
    ///
    /// - Parameter average: true for the moving average of the weights of a checkpoint; an export has one kind.
    package static func readWeights(
        from path: String, into parameters: ParameterStore, group: String, average: Bool = false
    ) throws {
        if let export = try export(path) { return try export.readWeights(into: parameters, group: group) }
        try Checkpoint.readWeights(from: path, into: parameters, group: group, average: average)
    }

    /// Preprocessing, classes and objective state.
    package static func state(of path: String) throws -> ModelState {
        if let export = try export(path) { return try export.state }
        return ModelState(try Checkpoint.fittedState(of: path))
    }

    /// The configuration with which the model was trained, as YAML.
    package static func configuration(of path: String) throws -> String {
        if let export = try export(path) { return try export.configuration }
        return try Checkpoint.configuration(of: path)
    }

    /// The checksum of a checkpoint, which identifies its weights; nil for an exported model.
    package static func checksum(of path: String) throws -> String? {
        ExportedModel.isExport(path) ? nil : try Checkpoint.checksum(of: path)
    }

    /// Throws `KaonError` if the file is an export for another program, which lacks what kaon needs besides the
    /// weights.
    package static func checkIsForKaon(_ path: String) throws { try export(path)?.checkIsForKaon() }

    /// True unless the file is an export of a backbone alone or of another program, which has no configuration of a
    /// whole model.
    package static func isWholeModel(_ path: String) -> Bool {
        guard ExportedModel.isExport(path) else { return true }
        return (try? ExportedModel(contentsOf: path))?.contents == .model
    }

    /// The exported model at this path; nil for a file that is not an export.
    private static func export(_ path: String) throws -> ExportedModel? {
        ExportedModel.isExport(path) ? try ExportedModel(contentsOf: path) : nil
    }
}

/// The contents of a file with a trained model besides its weights.
package struct ModelState: Sendable {
    /// nil in models that were imported without one.
    package var preprocessing: (any Preprocessing)?
    package var classes: JetClasses?
    package var objective: ObjectiveState

    init(preprocessing: (any Preprocessing)?, classes: JetClasses?, objective: ObjectiveState) {
        self.preprocessing = preprocessing
        self.classes = classes
        self.objective = objective
    }

    init(_ fitted: FittedState) {
        self.init(preprocessing: fitted.preprocessing, classes: fitted.classes, objective: fitted.objective)
    }
}
