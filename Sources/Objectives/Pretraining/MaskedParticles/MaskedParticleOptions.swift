import Configuration
import Jets
import Models

/// The sections of a configuration with `objective: mpm_v2`.
package struct MaskedParticleOptions: Sendable, Equatable {
    package var encoder = TransformerShape(width: 512, layers: 8, heads: 8, registers: 8)
    package var decoder = TransformerShape(width: 256, layers: 4, heads: 4, finalNorm: false)
    /// Whether the encoder sees what constituents are.
    package var usesIdentity = true
    package var masking = MaskingStrategy.random(fraction: 0.4)
    package var tasks = ReconstructionTasks()
    /// The VQ-VAE of `tasks.vqvae`.
    package var tokenizer: VQVAEOptions?

    package init() {}

    /// What others may build on.
    package var backbone: BackboneOptions {
        BackboneOptions(shape: BackboneShape(.transformer(encoder), usesIdentity: usesIdentity))
    }

    /// Decodes the sections from the root of a configuration. Throws `ConfigurationError`.
    package init(from root: Section, tokenizer: VQVAEOptions?) throws {
        let model = try root.section("model")
        encoder = try TransformerShape(from: model.section("encoder"), defaults: encoder, hasRegisters: true)
        decoder = try TransformerShape(from: model.section("decoder"), defaults: decoder, hasRegisters: false)
        usesIdentity = try model.bool("identity", default: true)
        masking = try MaskingStrategy(from: root.section("masking"))
        tasks = try ReconstructionTasks(from: root)
        self.tokenizer = try tasks.checked(tokenizer, root)
    }
}

extension ReconstructionTasks {
    /// The VQ-VAE, if a task needs it. Throws `ConfigurationError` where it is missing.
    func checked(_ tokenizer: VQVAEOptions?, _ root: Section) throws -> VQVAEOptions? {
        guard vqvae != nil else { return nil }
        guard let tokenizer else {
            throw root.error("tasks", "vqvae needs the checkpoint of a VQ-VAE; set tokenizer.checkpoint")
        }
        return tokenizer
    }
}

extension TransformerShape {
    /// Decodes `model.encoder` or `model.decoder`.
    init(from section: Section, defaults: TransformerShape, hasRegisters: Bool) throws {
        self = defaults
        width = try section.int("width", default: width, in: 1...65536)
        layers = try section.int("layers", default: layers, in: 0...1000)
        heads = try section.int("heads", default: heads, in: 1...1024)
        guard width % heads == 0 else {
            throw section.error("heads", "a width of \(width) cannot be divided among \(heads) heads")
        }
        feedForwardMultiplier = try section.int("feedforward_multiplier", default: feedForwardMultiplier, in: 1...64)
        if hasRegisters { registers = try section.int("registers", default: registers, in: 0...1024) }
        layerScale = section.has("layer_scale")
            ? try section.optionalDouble("layer_scale") : try section.double("layer_scale", default: layerScale ?? 1e-3)
        // Version 2 trains without dropout; the key is there so that its absence is explicit.
        _ = try section.double("dropout", default: 0, in: 0...0)
        finalNorm = try section.bool("final_norm", default: finalNorm)
    }
}
