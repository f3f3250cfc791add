import Configuration
import Jets

/// What is trained, with the sections of the configuration that belong to it.
package enum ObjectiveOptions: Sendable, Equatable {
    case mpmV1(MaskedParticleOptionsV1)
    case mpmV2(MaskedParticleOptions)
    case vqvae(VQVAETraining.Options)
    case setFlow(SetFlowOptions)
    /// A task on a backbone; the first is the name.
    case downstream(Name, DownstreamOptions)

    /// The key `objective`.
    package enum Name: String, CaseIterable, Sendable {
        case mpmV1 = "mpm_v1"
        case mpmV2 = "mpm_v2"
        case vqvae
        case setFlow = "set_flow"
        case classification, cwola, vertexing
        case trackOrigin = "track_origin"

        /// Whether labels are learned, on top of a backbone.
        package var isDownstream: Bool {
            switch self {
            case .mpmV1, .mpmV2, .vqvae, .setFlow: false
            case .classification, .cwola, .vertexing, .trackOrigin: true
            }
        }
    }

    /// The name in the configuration.
    package var name: Name {
        switch self {
        case .mpmV1: .mpmV1
        case .mpmV2: .mpmV2
        case .vqvae: .vqvae
        case .setFlow: .setFlow
        case .downstream(let name, _): name
        }
    }

    /// How the backbone is used; nil where it is what is trained.
    package var fineTuning: FineTuning? {
        switch self {
        case .mpmV1, .mpmV2, .vqvae, .setFlow: nil
        case .downstream(_, let options): options.fineTuning
        }
    }

    /// The network that others may build on; nil where there is none.
    package var backbone: BackboneOptions? {
        switch self {
        case .mpmV1(let options): options.backbone
        case .mpmV2(let options): options.backbone
        case .vqvae: nil
        case .setFlow(let options): options.backbone
        case .downstream(_, let options): options.backbone
        }
    }

    /// Whether the class of a jet is learned.
    package var needsClasses: Bool {
        switch self {
        case .mpmV1(let options): options.tasks.probe != nil
        case .mpmV2(let options): options.tasks.probe != nil
        case .vqvae, .setFlow: false
        case .downstream(let name, _): name == .classification || name == .cwola
        }
    }

    /// The VQ-VAE that others may take codes from; nil where there is none.
    package var vqvae: VQVAEOptions? {
        switch self {
        case .vqvae(let options): options.model
        case .mpmV1, .mpmV2, .setFlow, .downstream: nil
        }
    }

    /// The datasets with a whole number for each constituent that are needed.
    package var constituentLabels: [String] {
        if case .downstream(_, let options) = self { options.constituentLabels } else { [] }
    }

    /// The jets of the training files that are used, where the objective says so itself.
    package func choice(seed: UInt64) -> JetChoice? {
        if case .downstream(_, let options) = self, case .cwola(let cwola) = options.task { cwola.choice(seed: seed) }
        else { nil }
    }

    /// The VQ-VAE whose codes are used; nil where there is none.
    package var usedTokenizer: VQVAEOptions? {
        switch self {
        case .mpmV1(let options): options.tokenizer ?? inputTokenizer
        case .mpmV2(let options): options.tokenizer
        case .vqvae, .setFlow, .downstream: inputTokenizer
        }
    }

    /// The VQ-VAE that the backbone takes its inputs from.
    var inputTokenizer: VQVAEOptions? {
        if case .vqvae(let options)? = backbone?.inputs { options } else { nil }
    }

    /// Decodes `objective` and what depends on it from the root of a configuration. Throws `ConfigurationError`.
    ///
    /// - Parameters:
    ///   - backbone: what the checkpoint was trained on that `backbone` names.
    ///   - tokenizer: the VQ-VAE of the checkpoint that `tokenizer.checkpoint` names.
    package init(from root: Section, backbone: ObjectiveOptions? = nil, tokenizer: VQVAEOptions? = nil) throws {
        let name = try root.choice("objective", of: Name.self, default: .mpmV2)
        if !name.isDownstream, !root.isNull("backbone") {
            throw root.error(
                "backbone", "\(name.rawValue) pre-trains from fresh weights; leave the key out, or begin with those of a "
                    + "checkpoint by model.initial_weights")
        }
        let shape = tokenizer ?? backbone?.inputTokenizer
        let vqvae = shape == nil && root.isNull("tokenizer")
            ? nil : try VQVAEOptions(from: root.section("tokenizer"), defaults: shape ?? .init())
        if let shape, shape != vqvae {
            throw root.error("tokenizer", "the shape differs from that of the VQ-VAE; name its checkpoint alone")
        }
        switch name {
        case .mpmV1: self = .mpmV1(try MaskedParticleOptionsV1(from: root, tokenizer: vqvae))
        case .mpmV2: self = .mpmV2(try MaskedParticleOptions(from: root, tokenizer: vqvae))
        case .vqvae: self = .vqvae(try VQVAETraining.Options(from: root))
        case .setFlow: self = .setFlow(try SetFlowOptions(from: root))
        case .classification, .cwola, .vertexing, .trackOrigin:
            self = .downstream(
                name, try DownstreamOptions(from: root, name, backbone: backbone?.backbone, tokenizer: vqvae))
        }
    }

    /// Builds the model, with fresh weights.
    package func makeObjective(_ jets: JetShape, seed: UInt64) -> any Objective {
        switch self {
        case .mpmV1(let options): MaskedParticleModelling(options, jets, seed: seed)
        case .mpmV2(let options): MaskedParticleModelling(options, jets, seed: seed)
        case .vqvae(let options): VQVAETraining(options, jets, seed: seed)
        case .setFlow(let options): SetFlowTraining(options, jets, seed: seed)
        case .downstream(_, let options): DownstreamObjective(options, jets, seed: seed)
        }
    }
}
