import Configuration
import Jets

/// What a model has to know of the jets before it sees any.
public struct JetShape: Sendable, Equatable {
    /// Continuous features of a constituent.
    public var features: Int
    /// The most constituents of a jet.
    public var maxConstituents: Int
    /// The classes that labels stand for; nil where nobody looks at labels.
    public var classes: JetClasses?

    public init(features: Int, maxConstituents: Int, classes: JetClasses? = nil) {
        self.features = features
        self.maxConstituents = maxConstituents
        self.classes = classes
    }
}

/// What is trained, with the sections of the configuration that belong to it.
public enum ObjectiveOptions: Sendable, Equatable {
    case mpmV2(MaskedParticleOptions)
    case classification(JetClassification.Options)

    /// The key `objective`.
    public enum Name: String, CaseIterable, Sendable {
        case mpmV2 = "mpm_v2"
        case classification
    }

    /// The name in the configuration.
    public var name: Name {
        switch self {
        case .mpmV2: .mpmV2
        case .classification: .classification
        }
    }

    /// Whether labels are learned, on top of a backbone.
    public var isDownstream: Bool { fineTuning != nil }

    /// How the backbone is used; nil where it is what is trained.
    public var fineTuning: FineTuning? {
        switch self {
        case .mpmV2: nil
        case .classification(let options): options.fineTuning
        }
    }

    /// The network that others may build on.
    public var backbone: BackboneOptions {
        switch self {
        case .mpmV2(let options): BackboneOptions(encoder: options.encoder)
        case .classification(let options): options.backbone
        }
    }

    /// Decodes `objective` and what depends on it from the root of a configuration. Throws `ConfigurationError`.
    ///
    /// - Parameter backbone: that of the checkpoint that `backbone` names.
    public init(from root: Section, backbone: BackboneOptions? = nil) throws {
        let name = try root.choice("objective", of: Name.self, default: .mpmV2)
        if name == .mpmV2, !root.isNull("backbone") {
            throw root.error(
                "backbone", "\(name.rawValue) pre-trains from fresh weights; leave the key out, or begin with those of a "
                    + "checkpoint by model.initial_weights")
        }
        switch name {
        case .mpmV2: self = .mpmV2(try MaskedParticleOptions(from: root))
        case .classification:
            self = .classification(try JetClassification.Options(from: root, backbone: backbone))
        }
    }

    /// Builds the model, with fresh weights.
    public func makeObjective(_ jets: JetShape, seed: UInt64) -> any Objective {
        switch self {
        case .mpmV2(let options): options.makeObjective(jets, seed: seed)
        case .classification(let options): JetClassification(options, jets, seed: seed)
        }
    }
}
