import Configuration
import Models

/// The shape of a VQ-VAE in a configuration: the section `model` with `objective: vqvae`, and `tokenizer` where it is
/// used.
package struct VQVAEOptions: Sendable, Equatable {
    package var encoder = VQVAE.Shape.stack
    package var decoder = VQVAE.Shape.stack
    package var quantiser = VectorQuantiser.Shape()

    package init() {}

    /// Decodes the section. Throws `ConfigurationError`.
    ///
    /// - Parameter defaults: what keys that are left out say.
    package init(from section: Section, defaults: VQVAEOptions = .init()) throws {
        encoder = try NormformerShape(from: section.section("encoder"), defaults: defaults.encoder)
        decoder = try NormformerShape(from: section.section("decoder"), defaults: defaults.decoder)
        let section = try section.section("quantiser")
        let quantiser = defaults.quantiser
        self.quantiser = VectorQuantiser.Shape(
            codes: try section.int("codes", default: quantiser.codes, in: 2...1_000_000),
            dimension: try section.int("dimension", default: quantiser.dimension, in: 1...4096),
            beta: try section.double("beta", default: quantiser.beta, in: .zeroToOne),
            synchronisation: try section.double("synchronisation", default: quantiser.synchronisation, in: .nonNegative),
            affineRate: try section.double("affine_rate", default: quantiser.affineRate, in: .nonNegative))
    }

    func shape(features: Int) -> VQVAE.Shape {
        VQVAE.Shape(features: features, encoder: encoder, decoder: decoder, quantiser: quantiser)
    }
}

extension NormformerShape {
    /// Decodes a section. Throws `ConfigurationError`.
    init(from section: Section, defaults: NormformerShape) throws {
        self = defaults
        width = try section.int("width", default: width, in: 1...4096)
        layers = try section.int("layers", default: layers, in: 0...60)
        heads = try section.int("heads", default: heads, in: 1...1024)
        guard width % heads == 0 else {
            throw section.error("heads", "a width of \(width) cannot be divided among \(heads) heads")
        }
        hidden = try section.int("hidden", default: hidden, in: 1...4096)
        dropout = try section.double("dropout", default: dropout, in: .belowOne)
    }
}
