import Configuration
import Jets

/// What a model has to know of the jets before it sees any.
public struct JetShape: Sendable, Equatable {
    /// Continuous features of a constituent.
    public var features: Int
    /// The most constituents of a jet.
    public var maxConstituents: Int

    public init(features: Int, maxConstituents: Int) {
        self.features = features
        self.maxConstituents = maxConstituents
    }
}

/// What is trained, with the sections of the configuration that belong to it.
public enum ObjectiveOptions: Sendable, Equatable {
    case mpmV2(MaskedParticleOptions)

    /// The key `objective`.
    public enum Name: String, CaseIterable, Sendable {
        case mpmV2 = "mpm_v2"
    }

    /// The name in the configuration.
    public var name: Name {
        switch self {
        case .mpmV2: .mpmV2
        }
    }

    /// Decodes `objective` and what depends on it from the root of a configuration. Throws `ConfigurationError`.
    public init(from root: Section) throws {
        switch try root.choice("objective", of: Name.self, default: .mpmV2) {
        case .mpmV2: self = .mpmV2(try MaskedParticleOptions(from: root))
        }
    }

    /// Builds the model, with fresh weights.
    public func makeObjective(_ jets: JetShape, seed: UInt64) -> any Objective {
        switch self {
        case .mpmV2(let options): options.makeObjective(jets, seed: seed)
        }
    }
}
