import Foundation
import Jets
import NN
import Objectives
import Safetensors
import System
import Tensors

/// What of a model `kaon export` writes.
package enum ExportedPart: String, Sendable {
    /// The network that downstream tasks build on, and what turns jets into its inputs.
    case backbone
    /// All parameters, and all that the objective knows besides.
    case model
}

/// A safetensors file with a model: one that `kaon export` has written, or one with the same names from elsewhere.
///
/// Tensors are parameters by their names, what was learned from the data under `preprocessing/`, and what the
/// objective knows besides its parameters under `objective/`. The metadata has the rest.
package struct ExportedModel {
    /// The metadata's keys.
    package enum Key {
        package static let (version, format, contents, names) = ("kaon", "kaon_format", "contents", "names")
        package static let (configuration, backbone, step) = ("configuration", "backbone", "step")
        package static let (preprocessing, features, classes) = ("preprocessing", "features", "classes")
    }

    /// What `kaon_format` counts.
    package static let format = "1"

    private let file: SafetensorsFile
    private let names: ParameterNames

    /// Whether a path is taken for such a file; by its name, as `kaon export` asks for it.
    package static func isExport(_ path: String) -> Bool { path.hasSuffix(".safetensors") }

    /// Reads a file. Throws `SafetensorsError`, or `KaonError` at one of a later kaon.
    package init(contentsOf path: String) throws {
        file = try SafetensorsFile(contentsOf: path)
        if let found = file.metadata[Key.format], found != Self.format {
            throw KaonError("\(path) has export format \(found); this kaon reads format \(Self.format)")
        }
        names = file.names.contains("csts_emb.weight") ? .jetssl : .kaon
    }

    /// The configuration that the model was trained with. Throws `KaonError` where the file has none.
    package var configuration: String {
        get throws { try text(Key.configuration) }
    }

    /// What the model knows besides its weights. Throws `KaonError`, `JetError` or `SafetensorsError`.
    package var fittedState: FittedState {
        get throws {
            let classes = try file.metadata[Key.classes] == nil ? nil : JetClasses(list(Key.classes))
            return FittedState(preprocessing: try preprocessing, classes: classes, objective: try objectiveState)
        }
    }

    private var preprocessing: any Preprocessing {
        get throws {
            let name = try text(Key.preprocessing)
            guard let type = PreprocessingOptions.Name(rawValue: name)?.type else {
                throw KaonError("\(file.path) has the preprocessing '\(name)', which this version of kaon does not support")
            }
            do {
                let arrays = try type.arrayNames.map { name in
                    let tensor = "preprocessing/" + name
                    return FittedArray(name: name, shape: try file.shape(tensor), values: try file.doubles(tensor))
                }
                return try type.init(features: JetFeatures(list(Key.features)), arrays: arrays)
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
            for (key, text) in file.metadata where key.hasPrefix(prefix) {
                state.texts[String(key.dropFirst(prefix.count))] = text
            }
            return state
        }
    }

    /// Reads all weights of a model. Throws `KaonError` unless the file has those and no others.
    package func readWeights(into parameters: ParameterStore) throws {
        try checkSurplus(parameters)
        for parameter in parameters.parameters { try read(parameter, into: parameters.values) }
    }

    /// Reads the weights of a group of parameters, which the file may have among others.
    package func readWeights(into parameters: ParameterStore, group: String) throws {
        for part in parameters.groups where part.name == group {
            for parameter in parameters.parameters[part.parameters] { try read(parameter, into: parameters.values) }
        }
    }

    /// Reads the weights that a run begins with: those of the whole model, or those of its backbone alone. The number
    /// of parameters that were read. Throws `KaonError` where the file has a part of either, or others.
    package func readInitialWeights(into parameters: ParameterStore) throws -> Int {
        try checkSurplus(parameters)
        let isWhole = parameters.parameters.contains { !Self.isBackbone($0) && stored($0.name) != nil }
        let wanted = isWhole ? parameters.parameters : parameters.parameters.filter(Self.isBackbone)
        for parameter in wanted { try read(parameter, into: parameters.values) }
        return wanted.count
    }

    /// What a network declares under these names is its backbone, whatever the objective.
    private static func isBackbone(_ parameter: Parameter) -> Bool {
        parameter.name.hasPrefix("embedding.") || parameter.name.hasPrefix("encoder.")
    }

    /// The name in the file; nil where it is not there.
    private func stored(_ parameter: String) -> String? {
        names.name(of: parameter).flatMap { file.names.contains($0) ? $0 : nil }
    }

    private func checkSurplus(_ parameters: ParameterStore) throws {
        let wanted = Set(parameters.parameters.compactMap { names.name(of: $0.name) })
        if let surplus = file.names.first(where: { !wanted.contains($0) && !$0.contains("/") }) {
            throw KaonError("\(file.path) is of another model: this model has no tensor \(surplus)")
        }
    }

    private func read(_ parameter: Parameter, into values: Tensor) throws {
        guard let name = stored(parameter.name) else {
            let isLeftOut = !Self.isBackbone(parameter) && file.metadata[Key.contents] == ExportedPart.backbone.rawValue
            throw KaonError(
                "\(file.path) is of another model: it has no tensor "
                    + (names.name(of: parameter.name) ?? parameter.name)
                    + (isLeftOut ? " (it is the export of a backbone; 'kaon export --all' writes the whole model)" : ""))
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
    /// What `kaon inspect` says of the file.
    package var description: String {
        func shown(_ key: String) -> String? { file.metadata[key].map { "\(key): \($0)\n" } }
        let rows = file.names.map { name in
            let shape = (try? file.shape(name)) ?? []
            return [name, (try? file.type(name).rawValue) ?? "", shape.map(String.init).joined(separator: " × ")]
        }
        let keys = [
            Key.version, Key.contents, Key.names, Key.step, Key.backbone, Key.preprocessing, Key.features, Key.classes,
        ]
        let configuration = file.metadata[Key.configuration].map {
            "\nconfiguration:\n" + $0.split(separator: "\n").map { "  \($0)\n" }.joined()
        }
        return keys.compactMap(shown).joined() + (configuration ?? "") + "\n"
            + aligned([["tensor", "type", "shape"]] + rows)
    }
}
