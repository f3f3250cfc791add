import ArgumentParser
import Foundation
import Jets
import MPI
import NN
import Objectives
import Runs
import Safetensors
import Supervision
import System
import Training

struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes the model of a checkpoint as a safetensors file, for PyTorch and for other runs.",
        discussion: """
            The backbone is written with its preprocessing and its configuration: such a file serves wherever kaon \
            asks for the checkpoint of a backbone, and the Python package kaon_torch loads it. With --all, so is the \
            rest of the model. The configuration names the files that the model was trained on.

              kaon export runs/mpmv2-kmeans/checkpoints/best --output backbone.safetensors
              kaon finetune configs/finetune-classification.yaml backbone=backbone.safetensors
              kaon pretrain configs/mpmv2-flow.yaml model.initial_weights=backbone.safetensors

            --names jetssl writes the parameters of the module JetBackbone of the authors' public PyTorch code, and \
            nothing else, for backbones of transformer blocks.
            """)

    @Argument(help: "A checkpoint, such as runs/NAME/checkpoints/best.", completion: .file())
    var checkpoint: String

    @Option(
        name: .shortAndLong, help: "The file to write; its name ends in .safetensors.",
        completion: .file(extensions: ["safetensors"]))
    var output: String

    @Option(help: "Whose names the parameters have: kaon or jetssl.")
    var names = ParameterNames.kaon

    @Flag(help: "Write the whole model, not its backbone alone.")
    var all = false

    @Flag(help: "Replace the output where it is there already.")
    var force = false

    func run() {
        Launch.onAllRanks { communicator, console in
            try Commands.export(
                checkpoint, output: output, part: all ? .model : .backbone, names: names, overwrites: force,
                on: communicator, console: console)
            return .finished
        }
    }
}

extension ParameterNames: ExpressibleByArgument {}

/// `kaon export`: writes the model of a checkpoint as a safetensors file, for PyTorch and for other runs of kaon;
/// collective.
///
/// Throws `AgreedError` where the checkpoint has no backbone, or none that the names are known of, or where the file
/// cannot be written.
package func export(
    _ checkpoint: String, output: String, part: ExportedPart, names: ParameterNames, overwrites: Bool,
    on communicator: Communicator, console: Console
) throws {
    try communicator.agree {
        guard ExportedModel.isExport(output) else {
            throw KaonError("\(output) has to end in .safetensors; kaon knows an exported model by that")
        }
        guard !ExportedModel.isExport(checkpoint) else {
            throw KaonError("\(checkpoint) is an exported model already; name the checkpoint of a run")
        }
    }
    try checkOutput(output, overwrites: overwrites, on: communicator)
    _ = try communicator.onRoot {
        let options = try RunOptions(ofCheckpoint: checkpoint)
        let fitted = try Checkpoint.fittedState(of: checkpoint)
        let model = try ExportedContents(checkpoint, options, fitted, part)
        let writer = try model.writer(names: names)
        try writer.write(to: output)
        console.say("\(model.parameters.count) tensors of \(model.elements) parameters of \(checkpoint)")
        console.say("written to \(output)")
    }
}

/// What goes into an exported file.
private struct ExportedContents {
    let parameters: [Parameter]
    private let store: ParameterStore
    private let state: ObjectiveState
    private let checkpoint: String
    private let options: RunOptions
    private let fitted: FittedState
    private let part: ExportedPart

    var elements: Int { parameters.reduce(0) { $0 + $1.range.count } }

    init(_ checkpoint: String, _ options: RunOptions, _ fitted: FittedState, _ part: ExportedPart) throws {
        switch part {
        case .backbone:
            let (backbone, store) = try TrainedBackbone.read(checkpoint, options, fitted)
            (self.store, state) = (store, backbone.state)
        case .model:
            let objective = options.makeObjective(classes: fitted.classes)
            try Checkpoint.readWeights(from: checkpoint, into: objective.parameters)
            (store, state) = (objective.parameters, fitted.objective)
        }
        parameters = store.parameters
        (self.checkpoint, self.options, self.fitted, self.part) = (checkpoint, options, fitted, part)
    }

    func writer(names: ParameterNames) throws -> SafetensorsWriter {
        if names == .jetssl { try checkHasPublicNames() }
        var writer = SafetensorsWriter(metadata: try metadata(names))
        for parameter in parameters {
            let slice = store.values.slice(parameter.range, shape: parameter.shape)
            let shape = names.shape(parameter.shape, of: parameter.name)
            withExtendedLifetime(slice) {
                writer.add(names.name(of: parameter.name)!, UnsafeBufferPointer(slice.buffer), shape: shape)
            }
        }
        // A module of PyTorch takes a file with its own parameters and nothing else.
        guard names == .kaon else { return writer }
        for array in fitted.preprocessing.arrays {
            writer.add("preprocessing/" + array.name, array.values, shape: array.shape)
        }
        for (name, tensor) in state.tensors { writer.add("objective/" + name, tensor.array, shape: tensor.shape) }
        for (name, values) in state.integers { writer.add("objective/" + name, values, shape: [values.count]) }
        return writer
    }

    private func metadata(_ names: ParameterNames) throws -> [String: String] {
        typealias Key = ExportedModel.Key
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        func json(_ value: some Encodable) throws -> String {
            String(decoding: try encoder.encode(value), as: UTF8.self)
        }
        // What other readers of the format look for, and what kaon does.
        var metadata = ["format": "pt", Key.version: kaonVersion, Key.format: ExportedModel.format]
        metadata[Key.contents] = part.rawValue
        metadata[Key.names] = names.rawValue
        metadata[Key.configuration] = options.resolved
        metadata[Key.step] = "\(try Checkpoint.step(of: checkpoint))"
        metadata[Key.features] = try json(fitted.preprocessing.features.names)
        metadata[Key.preprocessing] = type(of: fitted.preprocessing).name
        if let backbone = options.objective.backbone {
            metadata[Key.backbone] = try json(BackboneDescription(backbone, options.data.maxConstituents))
        }
        if part == .model, let classes = fitted.classes { metadata[Key.classes] = try json(classes.names) }
        for (name, text) in state.texts { metadata["objective/" + name] = text }
        return metadata
    }

    private func checkHasPublicNames() throws {
        func refuse(_ what: String) -> KaonError {
            KaonError("\(checkpoint): the names of jetssl are those of a backbone of transformer blocks \(what)")
        }
        guard part == .backbone else { throw refuse("alone; leave out --all") }
        guard let backbone = options.objective.backbone, case .transformer = backbone.shape.blocks,
            parameters.allSatisfy({ ParameterNames.jetssl.name(of: $0.name) != nil })
        else { throw refuse("without learned positions, and this one is another") }
        guard backbone.inputs == .raw else { throw refuse("on features, and this one sees tokens") }
    }
}

/// The shape of a backbone in the metadata, for programs that do not know the configuration of kaon.
private struct BackboneDescription: Encodable {
    var block: String
    var width, layers, heads: Int
    var feedforward_multiplier: Int?
    var hidden: Int?
    var registers = 0
    var layer_scale = false
    var final_norm = true
    var identity, position: Bool
    var max_constituents: Int
    var inputs: String
    /// Of the VQ-VAE that makes the inputs.
    var tokenizer_layers, tokenizer_heads: Int?
    var tokenizer_affine_rate: Double?

    init(_ options: BackboneOptions, _ maxConstituents: Int) {
        switch options.shape.blocks {
        case .transformer(let shape):
            block = "transformer"
            (width, layers, heads) = (shape.width, shape.layers, shape.heads)
            (feedforward_multiplier, registers) = (shape.feedForwardMultiplier, shape.registers)
            (layer_scale, final_norm) = (shape.layerScale != nil, shape.finalNorm)
        case .normformer(let shape):
            block = "normformer"
            (width, layers, heads, hidden) = (shape.width, shape.layers, shape.heads, shape.hidden)
        }
        (identity, position) = (options.shape.usesIdentity, options.shape.hasPosition)
        max_constituents = maxConstituents
        inputs = options.inputs.name.rawValue
        if let vqvae = options.inputs.vqvae {
            (tokenizer_layers, tokenizer_heads) = (vqvae.encoder.layers, vqvae.encoder.heads)
            tokenizer_affine_rate = vqvae.quantiser.affineRate
        }
    }
}
