import Configuration
import Jets
import Models

/// Sections of a configuration with `objective: mpm_v2`.
package struct MaskedParticleOptions: Sendable {
    package var encoder = TransformerShape.version2
    package var decoder = TransformerShape(width: 256, layers: 4, heads: 4, finalNorm: false)
    /// True if the encoder sees the identities of the constituents.
    package var usesIdentity = true
    package var masking = MaskingStrategy.random(fraction: 0.4)
    package var tasks = ReconstructionTasks()
    /// The VQ-VAE of `tasks.vqvae`; nil without that task.
    package var tokenizer: VQVAEOptions?

    package init() {}

    /// The encoder, as the backbone of downstream tasks.
    package var backbone: BackboneOptions {
        BackboneOptions(shape: BackboneShape(.transformer(encoder), usesIdentity: usesIdentity))
    }

    /// Decodes the sections from the root of a configuration. Throws `ConfigurationError`.
    package init(from root: Section, tokenizer: VQVAEOptions?) throws {
        let model = try root.section("model", .inherited)
        encoder = try TransformerShape(from: model.section("encoder"), defaults: encoder, hasRegisters: true)
        decoder = try TransformerShape(from: model.section("decoder"), defaults: decoder, hasRegisters: false)
        usesIdentity = try model.bool("identity", default: true, help: "feed the particle identities to the model")
        masking = try MaskingStrategy(from: root.section("masking"))
        tasks = try ReconstructionTasks(from: root, version: .v2)
        self.tokenizer = try tasks.required(tokenizer, root)
    }
}
