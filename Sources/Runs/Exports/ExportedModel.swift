import Foundation
import Jets
import NN
import Objectives
import Safetensors
import System
import Tensors

/// Part of a model that `kaon export` writes.
package enum ExportedPart: String, Sendable {
    /// The network that downstream tasks build on, with the preprocessing of its inputs.
    case backbone
    /// All parameters and the state of the objective.
    case model
}

/// A model in a safetensors file, written by `kaon export` or by another program with the same names.
///
/// The tensors are parameters under their names, the preprocessing under `preprocessing/`, and the state of the
/// objective under `objective/`. Everything else is in the metadata.
package struct ExportedModel {
    /// Keys of the metadata.
    package enum Key {
        package static let (version, format, contents, names) = ("kaon", "kaon_format", "contents", "names")
        package static let (configuration, backbone, step) = ("configuration", "backbone", "step")
        package static let (preprocessing, features, classes) = ("preprocessing", "features", "classes")
        /// The names of the identities, unless they are those of particles.
        package static let identities = "identities"
        /// The text of the model card, for the exports to other formats.
        package static let card = "card"
    }

    /// The value of `preprocessing` in an imported model without one.
    package static let noPreprocessing = "none"

    /// Version of the format, `kaon_format`.
    package static let format = "1"

    private let file: SafetensorsFile
    private let names: ParameterNames

    /// True if a path has the extension of such a file, which `kaon export` requires.
    package static func isExport(_ path: String) -> Bool { path.hasSuffix(".safetensors") }

    /// Reads a file. Throws `SafetensorsError`, or `KaonError` for another format.
    package init(contentsOf path: String) throws {
        file = try SafetensorsFile(contentsOf: path)
        if let found = file.metadata[Key.format], found != Self.format {
            throw KaonError("\(path) has export format \(found); this kaon reads format \(Self.format)")
        }
        names = ParameterNames(ofFileWith: file.names)
    }

    /// Throws `KaonError` if the file was exported with the names of another program, without preprocessing and tokens.
    func checkIsForKaon() throws {
        guard let names = file.metadata[Key.names].flatMap(ParameterNames.init), names != .kaon else { return }
        throw KaonError(
            "\(file.path) was exported with --names \(names.rawValue), without what kaon needs besides the weights: "
                + "export it without --names, or convert it with kaon-import")
    }

    /// Configuration of the training run. Throws `KaonError` if the file has none.
    package var configuration: String {
        get throws { try text(Key.configuration) }
    }

    /// The exported part; nil for a file of another program.
    package var contents: ExportedPart? { file.metadata[Key.contents].flatMap(ExportedPart.init) }

    /// The state besides the weights. Throws `KaonError`, `JetError` or `SafetensorsError`.
    package var state: ModelState {
        get throws {
            let classes = try file.metadata[Key.classes] == nil ? nil : JetClasses(list(Key.classes))
            return ModelState(preprocessing: try preprocessing, classes: classes, objective: try objectiveState)
        }
    }

    private var preprocessing: (any Preprocessing)? {
        get throws {
            let name = try text(Key.preprocessing)
            if name == Self.noPreprocessing { return nil }
            guard let type = PreprocessingOptions.Name(rawValue: name)?.type else {
                throw KaonError(
                    "\(file.path) has the preprocessing '\(name)', which this version of kaon does not support")
            }
            do {
                let arrays = try type.arrayNames.map { name in
                    let tensor = "preprocessing/" + name
                    return FittedArray(name: name, shape: try file.shape(tensor), values: try file.doubles(tensor))
                }
                let identities =
                    try file.metadata[Key.identities] == nil ? .particles : Identities(list(Key.identities))
                return try type.init(features: JetFeatures(list(Key.features), identities), arrays: arrays)
            } catch let error as JetError {
                throw KaonError("\(file.path): \(error)")
            }
        }
    }

    private var objectiveState: ObjectiveState {
        get throws {
            var state = ObjectiveState()
            let prefix = "objective/"
            for name in file.names where name.hasPrefix(prefix) {
                let key = String(name.dropFirst(prefix.count))
                if try file.type(name) == .int64 {
                    state.integers[key] = try file.integers(name)
                } else {
                    state.tensors[key] = Tensor(try file.floats(name), shape: try file.shape(name))
                }
            }
            return state
        }
    }

    /// Reads all weights of a model. Throws `KaonError` unless the file has exactly these, with finite values.
    package func readWeights(into parameters: ParameterStore) throws {
        try checkSurplus(parameters)
        for parameter in parameters.parameters { try readFinite(parameter, into: parameters.values) }
    }

    /// Reads the weights of one parameter group; the file may contain others.
    package func readWeights(into parameters: ParameterStore, group: String) throws {
        for part in parameters.groups where part.name == group {
            for parameter in parameters.parameters[part.parameters] {
                try readFinite(parameter, into: parameters.values)
            }
        }
    }

    /// Reads initial weights, of the whole model or of its backbone alone, and returns the number of parameters read.
    /// Throws `KaonError` if the file has only a part of these, or others.
    package func readInitialWeights(into parameters: ParameterStore) throws -> Int {
        try checkSurplus(parameters)
        let isWhole = parameters.parameters.contains { !Self.isBackbone($0) && stored($0.name) != nil }
        let wanted = isWhole ? parameters.parameters : parameters.parameters.filter(Self.isBackbone)
        for parameter in wanted { try readFinite(parameter, into: parameters.values) }
        return wanted.count
    }

    /// True for parameters of the backbone, which have these names for every objective.
    private static func isBackbone(_ parameter: Parameter) -> Bool {
        parameter.name.hasPrefix("embedding.") || parameter.name.hasPrefix("encoder.")
    }

    /// The name in the file; nil if it is missing there.
    private func stored(_ parameter: String) -> String? {
        names.name(of: parameter).flatMap { file.names.contains($0) ? $0 : nil }
    }

    private func checkSurplus(_ parameters: ParameterStore) throws {
        let wanted = Set(parameters.parameters.compactMap { names.name(of: $0.name) })
        if let surplus = file.names.first(where: { !wanted.contains($0) && !$0.contains("/") }) {
            throw KaonError("\(file.path) is of another model: this model has no tensor \(surplus)")
        }
    }

    /// Reads a parameter. Throws `KaonError` if it has values that are not finite.
    private func readFinite(_ parameter: Parameter, into values: Tensor) throws {
        try read(parameter, into: values)
        let slice = values.slice(parameter.range, shape: parameter.shape)
        try checkIsFinite(slice, of: stored(parameter.name) ?? parameter.name, in: file.path)
    }

    private func read(_ parameter: Parameter, into values: Tensor) throws {
        // A norm without weights; the initial values are those of such a norm.
        if names.leavesOut(parameter.name) { return }
        guard let name = stored(parameter.name) else {
            let isLeftOut = !Self.isBackbone(parameter) && file.metadata[Key.contents] == ExportedPart.backbone.rawValue
            throw KaonError(
                "\(file.path) is of another model: it has no tensor "
                    + (names.name(of: parameter.name) ?? parameter.name)
                    + (isLeftOut ? " (it is the export of a backbone; 'kaon export --all' writes the whole model)" : "")
            )
        }
        let (found, wanted) = (try file.shape(name), names.shape(parameter.shape, of: parameter.name))
        guard found == wanted else {
            throw KaonError(
                "\(file.path) is of another model: the tensor \(name) has shape \(found), this model has \(wanted)")
        }
        let slice = values.slice(parameter.range, shape: parameter.shape)
        _ = slice.buffer.update(fromContentsOf: try file.floats(name))
    }

    private func text(_ key: String) throws -> String {
        guard let text = file.metadata[key] else {
            throw KaonError(
                "\(file.path) has no '\(key)' in its metadata, as 'kaon export' writes it; weights alone serve as "
                    + "model.initial_weights")
        }
        return text
    }

    private func list(_ key: String) throws -> [String] {
        let text = try text(key)
        guard let list = try? JSONDecoder().decode([String].self, from: Data(text.utf8)) else {
            throw KaonError("\(file.path): '\(key)' in its metadata is no list of texts")
        }
        return list
    }
}

extension ExportedModel: CustomStringConvertible {
    /// The description that `kaon inspect` prints.
    package var description: String {
        func shown(_ key: String) -> String? { file.metadata[key].map { "\(key): \($0)\n" } }
        let rows = file.names.map { name in
            let shape = (try? file.shape(name)) ?? []
            return [name, (try? file.type(name).rawValue) ?? "", shape.map(String.init).joined(separator: " × ")]
        }
        let keys = [
            Key.version, Key.contents, Key.names, Key.step, Key.backbone, Key.preprocessing, Key.features,
            Key.identities, Key.classes,
        ]
        let configuration = file.metadata[Key.configuration].map {
            "\nconfiguration:\n" + $0.split(separator: "\n").map { "  \($0)\n" }.joined()
        }
        return keys.compactMap(shown).joined() + (configuration ?? "") + "\n"
            + aligned([["tensor", "type", "shape"]] + rows)
    }
}
