import Configuration
import Jets
import System

/// The objective of a configuration, with the sections that belong to it.
package enum ObjectiveOptions: Sendable {
    case mpmV1(MaskedParticleOptionsV1)
    case mpmV2(MaskedParticleOptions)
    case vqvae(VQVAETraining.Options)
    case setFlow(SetFlowOptions)
    case nextToken(NextTokenOptions)
    /// A task on a backbone, with its name.
    case downstream(Name, DownstreamOptions)

    /// The key `objective`.
    package enum Name: String, CaseIterable, Sendable {
        case mpmV1 = "mpm_v1"
        case mpmV2 = "mpm_v2"
        case vqvae
        case setFlow = "set_flow"
        case nextToken = "next_token"
        case classification, cwola, vertexing
        case trackOrigin = "track_origin"
        case regression

        /// The objective of a configuration that names none.
        package static let `default` = Name.mpmV2

        /// The table of downstream tasks: a new one is a case and its row here, and a file. Nil for a pre-training.
        var downstreamTask: (any DownstreamTaskOptions.Type)? {
            switch self {
            case .mpmV1, .mpmV2, .vqvae, .setFlow, .nextToken: nil
            case .classification: JetClassification.Options.self
            case .cwola: WeaklySupervised.Options.self
            case .vertexing: Vertexing.Options.self
            case .trackOrigin: TrackOrigin.Options.self
            case .regression: JetRegression.Options.self
            }
        }

        /// True for a task that learns labels on a backbone.
        package var isDownstream: Bool { downstreamTask != nil }

        /// Decodes the key `objective` of the root of a configuration. Throws `ConfigurationError`.
        package init(from root: Section) throws {
            self = try root.choice(
                "objective", default: .default,
                help: "training objective ([pre-training](objectives.md), [downstream tasks](downstream.md))")
        }
    }

    /// The name in the configuration.
    package var name: Name {
        switch self {
        case .mpmV1: .mpmV1
        case .mpmV2: .mpmV2
        case .vqvae: .vqvae
        case .setFlow: .setFlow
        case .nextToken: .nextToken
        case .downstream(let name, _): name
        }
    }

    /// Fine-tuning of the backbone; nil for an objective that trains the backbone itself.
    package var fineTuning: FineTuning? {
        switch self {
        case .mpmV1, .mpmV2, .vqvae, .setFlow, .nextToken: nil
        case .downstream(_, let options): options.fineTuning
        }
    }

    /// The same without a cache of encodings, for inference, which encodes every jet once.
    package var withoutEncodingCache: ObjectiveOptions {
        guard case .downstream(let name, var options) = self else { return self }
        options.fineTuning.cache = .never
        return .downstream(name, options)
    }

    /// The network that downstream tasks can use; nil if there is none.
    package var backbone: BackboneOptions? {
        switch self {
        case .mpmV1(let options): options.backbone
        case .mpmV2(let options): options.backbone
        case .vqvae: nil
        case .setFlow(let options): options.backbone
        case .nextToken(let options): options.backbone
        case .downstream(_, let options): options.backbone
        }
    }

    /// Channels of the encoder.
    package var width: Int {
        switch self {
        case .mpmV1(let options): options.backbone.shape.width
        case .mpmV2(let options): options.encoder.width
        case .vqvae(let options): options.model.encoder.width
        case .setFlow(let options): options.encoder.width
        case .nextToken(let options): options.encoder.width
        case .downstream(_, let options): options.backbone.shape.width
        }
    }

    /// True if the classes of jets are learned.
    package var needsClasses: Bool {
        switch self {
        case .mpmV1(let options): options.tasks.probe != nil
        case .mpmV2(let options): options.tasks.probe != nil
        case .setFlow(let options): options.usesClasses
        case .vqvae, .nextToken: false
        case .downstream(_, let options): options.task.needsClasses
        }
    }

    /// True if there is nothing to learn from the classes of jets unless there are at least two.
    package var needsSeveralClasses: Bool {
        switch self {
        case .mpmV1, .mpmV2, .vqvae, .nextToken: false
        case .setFlow, .downstream: needsClasses
        }
    }

    /// The VQ-VAE that is trained; nil for other objectives.
    package var vqvae: VQVAEOptions? {
        switch self {
        case .vqvae(let options): options.model
        case .mpmV1, .mpmV2, .setFlow, .nextToken, .downstream: nil
        }
    }

    /// Names of the required datasets with one integer for each constituent.
    package var constituentLabels: [String] {
        switch self {
        case .mpmV1, .mpmV2, .vqvae, .setFlow, .nextToken: []
        case .downstream(_, let options): options.task.constituentLabels
        }
    }

    /// The required numbers of each jet.
    package var quantities: [JetQuantity] {
        switch self {
        case .mpmV1, .mpmV2, .vqvae, .setFlow, .nextToken: []
        case .downstream(_, let options): options.task.quantities
        }
    }

    /// The jets of the training files to use, if the objective chooses them.
    package func choice(seed: UInt64) -> JetChoice? {
        switch self {
        case .mpmV1, .mpmV2, .vqvae, .setFlow, .nextToken: nil
        case .downstream(_, let options): options.task.choice(seed: seed)
        }
    }

    /// The trained VQ-VAE whose codes are used; nil if there is none.
    package var usedTokenizer: VQVAEOptions? {
        switch self {
        case .mpmV1(let options): options.tokenizer ?? inputTokenizer
        case .mpmV2(let options): options.tokenizer
        case .vqvae, .setFlow, .nextToken, .downstream: inputTokenizer
        }
    }

    /// The VQ-VAE whose codes are the inputs of the backbone; nil for other inputs.
    private var inputTokenizer: VQVAEOptions? { backbone?.inputs.vqvae }

    /// Decodes `objective` and the sections that depend on it from the root of a configuration.
    ///
    /// Throws `ConfigurationError`.
    ///
    /// - Parameters:
    ///   - backbone: the objective of the checkpoint that `backbone` names.
    ///   - tokenizer: the VQ-VAE of the checkpoint that `tokenizer.checkpoint` names.
    package init(from root: Section, backbone: ObjectiveOptions? = nil, tokenizer: VQVAEOptions? = nil) throws {
        let name = try Name(from: root)
        if !name.isDownstream, !root.isNull("backbone") {
            throw root.error(
                "backbone",
                "\(name.rawValue) pre-trains from fresh weights; leave the key out, or set "
                    + "model.initial_weights to begin with those of a checkpoint")
        }
        let shape = tokenizer ?? backbone?.inputTokenizer
        let vqvae =
            shape == nil && root.isNull("tokenizer")
            ? nil : try VQVAEOptions(from: root.section("tokenizer", .inherited), defaults: shape ?? .init())
        if let shape, shape != vqvae {
            throw root.error("tokenizer", "the shape differs from that of the VQ-VAE; name its checkpoint alone")
        }
        if let task = name.downstreamTask {
            self = .downstream(
                name, try DownstreamOptions(from: root, task, backbone: backbone?.backbone, tokenizer: vqvae))
            return
        }
        switch name {
        case .mpmV1: self = .mpmV1(try MaskedParticleOptionsV1(from: root, tokenizer: vqvae))
        case .mpmV2: self = .mpmV2(try MaskedParticleOptions(from: root, tokenizer: vqvae))
        case .vqvae: self = .vqvae(try VQVAETraining.Options(from: root))
        case .setFlow: self = .setFlow(try SetFlowOptions(from: root))
        case .nextToken: self = .nextToken(try NextTokenOptions(from: root, tokenizer: vqvae))
        default: unreachable("\(name.rawValue) has no options")
        }
    }

    /// The tasks of masked particle modelling; nil for other objectives.
    private var tasks: ReconstructionTasks? {
        switch self {
        case .mpmV1(let options): options.tasks
        case .mpmV2(let options): options.tasks
        case .vqvae, .setFlow, .nextToken, .downstream: nil
        }
    }

    /// The choice of the constituents to predict; nil for an objective that masks none.
    package var masking: MaskingStrategy? {
        switch self {
        case .mpmV1(let options): options.masking
        case .mpmV2(let options): options.masking
        case .setFlow(let options): options.masking
        case .vqvae, .nextToken, .downstream: nil
        }
    }

    /// The part of the model that has the size of `data.max_constituents`; nil if the key does not shape the model.
    package var fixedByMaxConstituents: String? {
        switch self {
        case .mpmV2: return "null tokens"
        case .mpmV1(let options) where options.position == .masked: return "mask tokens"
        case .mpmV1(let options) where options.position == .head: return "learned positions"
        case .setFlow: return "a distribution of the number"
        case .mpmV1, .vqvae, .nextToken, .downstream: break
        }
        return backbone?.fixedByMaxConstituents
    }

    /// Throws `ConfigurationError` if the options do not fit the features.
    ///
    /// - Parameter root: the root of the configuration.
    package func check(_ features: JetFeatures, in root: Section) throws {
        try tasks?[ParticleIdentification.Options.self]?.classWeights.check(features.identities, in: root)
        guard tasks?[ConditionalFlow.Options.self] == nil || features.count > 1 else {
            throw try root.section("data").error(
                "features", "tasks.flow needs at least two, because its layers transform one half given the other")
        }
    }

    /// Throws `ConfigurationError` if the section `tokenizer` is given without effect.
    ///
    /// - Parameter root: the root of a configuration that is not that of a checkpoint.
    package func checkTokenizer(in root: Section) throws {
        guard !root.isNull("tokenizer") else { return }
        let (hasBackbone, tokenizer) = (!root.isNull("backbone"), try root.section("tokenizer"))
        guard usedTokenizer == nil else {
            guard hasBackbone, !tokenizer.isNull("checkpoint") else { return }
            throw tokenizer.error("checkpoint", "the backbone has its own VQ-VAE; leave the key out")
        }
        let (task, inputs) = ("add tasks.vqvae", "set model.inputs.name to vqvae")
        let remedies: [String] =
            switch self {
            case .mpmV1: [task, inputs]
            case .mpmV2: [task]
            case .nextToken: [inputs]
            case .downstream: hasBackbone ? [] : [inputs]
            case .vqvae, .setFlow: []
            }
        throw root.error(
            "tokenizer",
            "this \(name.rawValue) model does not use the VQ-VAE of the section; "
                + (remedies + [remedies.isEmpty ? "leave it out" : "or leave it out"]).joined(separator: ", "))
    }

    /// Builds the model with initial weights.
    package func makeObjective(_ jets: JetShape, seed: UInt64) -> any Objective {
        switch self {
        case .mpmV1(let options): MaskedParticleModelling(options, jets, seed: seed)
        case .mpmV2(let options): MaskedParticleModelling(options, jets, seed: seed)
        case .vqvae(let options): VQVAETraining(options, jets, seed: seed)
        case .setFlow(let options): SetFlowTraining(options, jets, seed: seed)
        case .nextToken(let options): NextTokenTraining(options, jets, seed: seed)
        case .downstream(_, let options): DownstreamObjective(options, jets, seed: seed)
        }
    }
}
