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
        abstract: "Exports the model of a checkpoint to a safetensors file, for PyTorch or for other runs.",
        discussion: """
            Writes the backbone with its preprocessing and configuration. The file can be used wherever kaon takes the \
            checkpoint of a backbone, and the Python package kaon_torch loads it. With --all it contains the whole \
            model, such as that of a downstream task with its head. The configuration includes the paths of the \
            training files.

              kaon export runs/mpmv2-kmeans/checkpoints/best --output backbone.safetensors
              kaon finetune configs/finetune-classification.yaml \\
                backbone=backbone.safetensors
              kaon pretrain configs/mpmv2-flow.yaml \\
                model.initial_weights=backbone.safetensors

            --card writes a README.md with the front matter that model hubs read. The results in it are those of \
            evaluation/metrics.json in the run directory, if they are of these weights, or of their validation. \
            python -m kaon_torch writes the file as an ONNX model.

              kaon export runs/finetune/checkpoints/best --all --card --license cc-by-4.0 \\
                --output tagger/model.safetensors

            --names jetssl writes only the tensors of the module JetBackbone in the authors' public PyTorch code, or \
            with --all of MaskedParticleModelling, for load_state_dict. That code has changed its names twice: \
            jetssl-2024-08 is for its versions until August 2024, jetssl-2024-10 for those of September and October \
            2024, jetssl for the last one. kaon-import is the way back.

              kaon export runs/mpmv2-kmeans/checkpoints/best \\
                --names jetssl-2024-08 --output backbone.safetensors
            """)

    @Argument(help: "A checkpoint, such as runs/NAME/checkpoints/best.", completion: .file())
    var checkpoint: String

    @Option(
        name: .shortAndLong, help: "The file to write; its name must end in .safetensors.",
        completion: .file(extensions: ["safetensors"]))
    var output: String

    @Option(help: "Naming scheme of the parameters: kaon, jetssl-2024-08, jetssl-2024-10 or jetssl.")
    var names = ParameterNames.kaon

    @Flag(help: "Write the whole model instead of its backbone.")
    var all = false

    @Flag(
        help: "Write a model card, README.md, beside the file: what it is, data, results, configuration, licence.")
    var card = false

    @Option(help: "The licence in the card: an identifier of model hubs, such as mit, apache-2.0 or cc-by-4.0.")
    var license: String?

    @Flag(help: "Write the moving average of the weights (training.average).")
    var average = false

    @Flag(help: "Replace existing output files.")
    var force = false

    func validate() throws {
        guard card || license == nil else { throw ValidationError("--license is for the card; add --card") }
    }

    func run() {
        Launch.onAllRanks { context in
            let file = OutputFile(output, overwrites: force)
            let request = try context.communicator.agree {
                card ? try CardRequest(beside: file, license: license) : nil
            }
            try Commands.export(
                checkpoint, to: file, part: all ? .model : .backbone, names: names, average: average, card: request,
                in: context)
            return .finished
        }
    }
}

extension ParameterNames: ExpressibleByArgument {}

/// `kaon export`: writes the model of a checkpoint as a safetensors file, for PyTorch and for other runs of kaon;
/// collective.
///
/// Throws `AgreedError` if the checkpoint has no backbone, its parameters have no such names, or the file cannot be
/// written.
package func export(
    _ checkpoint: String, to output: OutputFile, part: ExportedPart, names: ParameterNames, average: Bool = false,
    card: CardRequest? = nil,
    in context: RunContext
) throws {
    let (communicator, console) = (context.communicator, context.console)
    try communicator.agree {
        guard ExportedModel.isExport(output.path) else {
            throw KaonError(
                "\(output.path) must end in .safetensors: kaon recognises exported models by this extension")
        }
        guard !ExportedModel.isExport(checkpoint) else {
            throw KaonError("\(checkpoint) is already an exported model; name the checkpoint of a run")
        }
    }
    _ = try communicator.onRoot {
        let options = try RunOptions(ofCheckpoint: checkpoint)
        try output.check(inputs: [checkpoint])
        try card?.check()
        let fitted = try Checkpoint.fittedState(of: checkpoint)
        let model = try ExportedContents(checkpoint, options, fitted, part, average: average)
        let text = try card.map { try model.card(names: names, of: output.path, license: $0.license).text }
        let writer = try model.writer(names: names, card: text)
        let leftOut = names == .kaon ? [] : try model.publicModel(names).leftOut
        try createFolder(of: output.path)
        try writer.write(to: output.path)
        if let card, let text {
            try createFolder(of: card.file.path)
            try writeAtomically(text, to: card.file.path)
        }
        for name in leftOut { console.say("left out: \(name), which is different in that code") }
        if part == .backbone, options.objective.name.isDownstream {
            console.say("left out: the head of \(options.objective.name.rawValue), which --all includes")
        }
        console.say("\(model.parameters.count) tensors with \(model.elements) parameters from \(checkpoint)")
        console.say("written to \(output.path)\(card.map { " and \($0.file.path)" } ?? "")")
    }
}

/// Contents of an exported file.
private struct ExportedContents {
    let parameters: [Parameter]
    private let store: ParameterStore
    private let state: ObjectiveState
    private let checkpoint: String
    private let options: RunOptions
    private let fitted: FittedState
    private let part: ExportedPart
    private let average: Bool

    var elements: Int { parameters.reduce(0) { $0 + $1.range.count } }

    init(
        _ checkpoint: String, _ options: RunOptions, _ fitted: FittedState, _ part: ExportedPart, average: Bool
    ) throws {
        switch part {
        case .backbone:
            let (backbone, store) = try TrainedBackbone.read(
                checkpoint, options, fitted.objective, average: average)
            (self.store, state) = (store, backbone.state)
        case .model:
            let objective = options.makeObjective(classes: fitted.classes)
            try Checkpoint.readWeights(from: checkpoint, into: objective.parameters, average: average)
            (store, state) = (objective.parameters, fitted.objective)
        }
        parameters = store.parameters
        (self.checkpoint, self.options, self.fitted, self.part) = (checkpoint, options, fitted, part)
        self.average = average
    }

    /// The model card of the file at a path. Throws `HDF5Error` if the checkpoint cannot be read.
    func card(names: ParameterNames, of path: String, license: String?) throws -> ModelCard {
        var card = ModelCard(of: options, part: part, file: URL(fileURLWithPath: path).lastPathComponent)
        (card.names, card.license, card.parameters) = (names, license, elements)
        card.network =
            options.objective.backbone.map { BackboneDescription($0, options.data.maxConstituents).text } ?? ""
        if part == .model, let classes = fitted.classes { card.classes = classes.names }
        try card.addRun(of: checkpoint, options, average: average)
        return card
    }

    func writer(names: ParameterNames, card: String? = nil) throws -> SafetensorsWriter {
        var metadata = try metadata(names)
        metadata[ExportedModel.Key.card] = card
        var writer = SafetensorsWriter(metadata: metadata)
        guard names == .kaon else {
            try publicModel(names).add(to: &writer)
            return writer
        }
        for parameter in parameters {
            let slice = store.values.slice(parameter.range, shape: parameter.shape)
            withExtendedLifetime(slice) {
                writer.add(parameter.name, UnsafeBufferPointer(slice.buffer), shape: parameter.shape)
            }
        }
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
        // "format" is what other readers of safetensors look for.
        var metadata = ["format": "pt", Key.version: kaonVersion, Key.format: ExportedModel.format]
        metadata[Key.contents] = part.rawValue
        metadata[Key.names] = names.rawValue
        metadata[Key.configuration] = options.resolved
        metadata[Key.step] = "\(try Checkpoint.step(of: checkpoint))"
        metadata[Key.features] = try json(fitted.preprocessing.features.names)
        let identities = fitted.preprocessing.features.identities
        if identities != .particles { metadata[Key.identities] = try json(identities.names) }
        metadata[Key.preprocessing] = type(of: fitted.preprocessing).name
        if let backbone = options.objective.backbone {
            metadata[Key.backbone] = try json(BackboneDescription(backbone, options.data.maxConstituents))
        }
        if part == .model, let classes = fitted.classes { metadata[Key.classes] = try json(classes.names) }
        return metadata
    }

    /// The model in the authors' public code. Throws `KaonError` if that has no such model.
    func publicModel(_ names: ParameterNames) throws -> PublicModel {
        func refusal(_ reason: String) -> KaonError {
            KaonError("\(checkpoint): --names \(names.rawValue) is for \(reason)")
        }
        guard let backbone = options.objective.backbone, case .transformer = backbone.shape.blocks,
            !backbone.shape.hasPosition, !backbone.shape.isCausal, backbone.shape.pairs == nil, backbone.inputs == .raw
        else {
            throw refusal(
                "backbones of transformer blocks without learned positions, pairs or causal attention and with "
                    + "features as inputs; this backbone is different")
        }
        guard part == .backbone || options.objective.name == .mpmV2 else {
            throw refusal(
                "whole models of mpm_v2; this one is of \(options.objective.name.rawValue): leave out --all")
        }
        do {
            return try PublicModel(
                store, part == .model ? state : ObjectiveState(), features: options.data.features.count, names: names)
        } catch let error as KaonError {
            throw KaonError("\(checkpoint): --names \(names.rawValue): \(error); leave out --all")
        }
    }
}

/// Shape of a backbone in the metadata, for programs that do not read kaon's configuration.
private struct BackboneDescription: Encodable {
    var block: String
    var width, layers, heads: Int
    var feedforward_multiplier: Int?
    var hidden: Int?
    var registers = 0
    var layer_scale = false
    var final_norm = true
    /// Features and hidden widths of the bias of pairs; nil for none.
    struct Pairs: Encodable {
        var features: [String]
        var widths: [Int]
    }

    var pairs: Pairs?
    var identity, position, causal: Bool
    var max_constituents: Int
    var inputs: String
    /// Shape of the VQ-VAE that computes the inputs.
    var tokenizer_layers, tokenizer_heads: Int?
    var tokenizer_affine_rate: Double?

    /// The network in words.
    var text: String {
        let blocks = "\(block), \(plural(layers, "block")) of \(width) channels with \(plural(heads, "head"))"
        return blocks + (registers > 0 ? ", \(plural(registers, "register"))" : "")
            + (causal ? ", causal" : "") + (inputs == "raw" ? "" : ", inputs: \(inputs)")
    }

    init(_ options: BackboneOptions, _ maxConstituents: Int) {
        switch options.shape.blocks {
        case .transformer(let shape):
            block = "transformer"
            (width, layers, heads) = (shape.width, shape.layers, shape.heads)
            (feedforward_multiplier, registers) = (shape.feedForwardMultiplier, shape.registers)
            (layer_scale, final_norm) = (shape.layerScale != nil, shape.finalNorm)
            pairs = shape.pairs.map { Pairs(features: $0.features.map(\.rawValue), widths: $0.widths) }
        case .normformer(let shape):
            block = "normformer"
            (width, layers, heads, hidden) = (shape.width, shape.layers, shape.heads, shape.hidden)
        }
        (identity, position) = (options.shape.usesIdentity, options.shape.hasPosition)
        causal = options.shape.isCausal
        max_constituents = maxConstituents
        inputs = options.inputs.name.rawValue
        if let vqvae = options.inputs.vqvae {
            (tokenizer_layers, tokenizer_heads) = (vqvae.encoder.layers, vqvae.encoder.heads)
            tokenizer_affine_rate = vqvae.quantiser.affineRate
        }
    }
}
