import Configuration
import Jets
import Models

/// Sections of a configuration with `objective: mpm_v1`.
package struct MaskedParticleOptionsV1: Sendable {
    package var backbone = BackboneOptions(
        shape: BackboneShape(.normformer(NormformerShape()), usesIdentity: false))
    /// Place in the network where the order in pT enters.
    package var position = PositionPlace.head
    /// Hidden width of the head; nil for the width of the backbone, 0 for a head without hidden layer.
    package var headWidth: Int?
    package var masking = MaskingStrategy.random(fraction: 0.3)
    package var tasks = ReconstructionTasks()
    /// The VQ-VAE of `tasks.vqvae`; nil without that task.
    package var tokenizer: VQVAEOptions?

    package init() {}

    /// Decodes the sections from the root of a configuration. Throws `ConfigurationError`.
    package init(from root: Section, tokenizer: VQVAEOptions?) throws {
        let model = try root.section("model", .inherited)
        position = try model.choice(
            "position", of: PositionPlace.self, default: position,
            help: "where the pT order is encoded: nowhere, in the backbone, or in the head; `masked`: the k-th masked "
                + "constituent of a jet has the k-th mask token, as in version 2")
        backbone.shape.hasPosition = position == .backbone
        backbone = try BackboneOptions(from: model, defaults: backbone, tokenizer: tokenizer)
        guard backbone.shape.pairs == nil else {
            throw try model.section("encoder").error(
                "pairs",
                "mpm_v1 encodes masked constituents too, whose momenta the pairs would reveal; use objective: mpm_v2")
        }
        headWidth = try model.optionalInt(
            "head_width", in: 0...65536, absent: "auto",
            help:
                "hidden width of the head that recovers constituents; `auto`: the width of the backbone, 0: no hidden "
                + "layer")
        masking = try MaskingStrategy(from: root.section("masking"), fraction: 0.3)
        tasks = try ReconstructionTasks(from: root, version: .v1)
        self.tokenizer = try tasks.required(tokenizer, root)
    }
}
