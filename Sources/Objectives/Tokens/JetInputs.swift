import Configuration
import Jets
import Models
import MPI
import Tensors

/// The section `model.inputs`: what stands for a constituent at the input of a backbone.
package enum InputOptions: Sendable, Equatable {
    /// Its preprocessed features.
    case raw
    /// The centroid of its cluster.
    case kmeans(KMeansTokenizer.Options)
    /// The vector of its code in the VQ-VAE that `tokenizer` names.
    case vqvae(VQVAEOptions)

    private enum Name: String, CaseIterable {
        case raw, kmeans, vqvae
    }

    /// Decodes the section. Throws `ConfigurationError`.
    ///
    /// - Parameter tokenizer: the VQ-VAE of the configuration.
    init(from section: Section, defaults: InputOptions = .raw, tokenizer: VQVAEOptions?) throws {
        let name: Name = switch defaults {
        case .raw: .raw
        case .kmeans: .kmeans
        case .vqvae: .vqvae
        }
        switch try section.choice("name", of: Name.self, default: name) {
        case .raw: self = .raw
        case .kmeans: self = .kmeans(try KMeansTokenizer.Options(from: section, clusters: 512))
        case .vqvae:
            guard let tokenizer else {
                throw section.error("name", "vqvae needs the checkpoint of a VQ-VAE; set tokenizer.checkpoint")
            }
            self = .vqvae(tokenizer)
        }
    }
}

/// What turns jets into the inputs of a backbone.
package struct JetInputs {
    static let stateName = "inputs"

    /// Channels of the values that stand for a constituent.
    package let width: Int
    let tokenizer: (any Tokenizer)?

    package init(_ options: InputOptions, _ jets: JetShape, seed: UInt64) {
        tokenizer = switch options {
        case .raw: nil
        case .kmeans(let options):
            KMeansTokenizer(options, features: jets.features, seed: seed, place: "model.inputs")
        case .vqvae(let options): VQVAETokenizer(options, features: jets.features)
        }
        width = tokenizer?.dimension ?? jets.features
    }

    /// The VQ-VAE, where there is one.
    package var vqvae: VQVAETokenizer? { tokenizer as? VQVAETokenizer }

    package func callAsFunction(_ jets: Constituents) -> Constituents {
        tokenizer?.replacingValues(of: jets) ?? jets
    }

    /// Hides the same constituents of the replaced jets.
    package func callAsFunction(_ jets: MaskedConstituents) -> MaskedConstituents {
        tokenizer == nil ? jets : MaskedConstituents(self(jets.all), isDropped: jets.isDropped)
    }

    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        try tokenizer?.fit(to: jets, on: communicator, report: report)
    }

    package var state: ObjectiveState { tokenizer?.state ?? ObjectiveState() }
    package func restore(_ state: ObjectiveState) throws { try tokenizer?.restore(state) }
}
