import Configuration
import Jets
import Models

/// Shape of a VQ-VAE: the section `model` with `objective: vqvae`, or the section `tokenizer` of a model that uses one.
package struct VQVAEOptions: Sendable, Equatable {
    package var encoder = VQVAE.Shape.stack
    package var decoder = VQVAE.Shape.stack
    package var quantiser = VectorQuantiser.Shape()

    package init() {}

    /// Decodes the section. Throws `ConfigurationError`.
    ///
    /// - Parameter defaults: values of keys that are left out.
    package init(from section: Section, defaults: VQVAEOptions = .init()) throws {
        encoder = try NormformerShape(from: section.section("encoder"), defaults: defaults.encoder)
        decoder = try NormformerShape(from: section.section("decoder"), defaults: defaults.decoder)
        let section = try section.section("quantiser")
        let quantiser = defaults.quantiser
        self.quantiser = VectorQuantiser.Shape(
            codes: try section.int("codes", default: quantiser.codes, in: 2...1_000_000, help: "number of codes"),
            dimension: try section.int(
                "dimension", default: quantiser.dimension, in: 1...4096,
                help: "channels of a latent vector and of a code"),
            beta: try section.double(
                "beta", default: quantiser.beta, in: .zeroToOne,
                help: "fraction of the commitment loss that moves the codes"),
            synchronisation: try section.double(
                "synchronisation", default: quantiser.synchronisation, in: .nonNegative, .advanced,
                help: "weight of the gradient of the reconstruction loss for the codes"),
            affineRate: try section.double(
                "affine_rate", default: quantiser.affineRate, in: .nonNegative, .advanced,
                help: "learning rate of the affine map of all codes, relative to the other parameters"))
    }

    func shape(features: Int) -> VQVAE.Shape {
        VQVAE.Shape(features: features, encoder: encoder, decoder: decoder, quantiser: quantiser)
    }
}

extension VQVAEOptions: TokenizerOptions {
    package init(inputs section: Section, vqvae: VQVAEOptions?, defaults: (any TokenizerOptions)?) throws {
        guard let vqvae else {
            throw section.error("name", "vqvae needs the checkpoint of a VQ-VAE; set tokenizer.checkpoint")
        }
        self = vqvae
    }

    package var vqvae: VQVAEOptions? { self }

    package func makeInputs(_ jets: JetShape, section: String) -> any InputRepresentation {
        VQVAETokenizer(self, features: jets.features)
    }
}
