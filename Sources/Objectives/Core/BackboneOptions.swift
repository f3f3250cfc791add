import Configuration
import Jets
import Models

/// Section `model` of a configuration: blocks and inputs of a backbone.
package struct BackboneOptions: Sendable, Equatable {
    package var shape: BackboneShape
    package var inputs: InputOptions

    /// By default the encoder of version 2 (arXiv:2409.12589).
    package init(
        shape: BackboneShape = BackboneShape(.transformer(.version2)),
        inputs: InputOptions = .raw
    ) {
        self.shape = shape
        self.inputs = inputs
    }

    /// The part of the backbone that has the size of `data.max_constituents`; nil if the key does not shape it.
    package var fixedByMaxConstituents: String? { shape.hasPosition ? "learned positions" : nil }

    private enum BlockName: String, CaseIterable {
        case transformer, normformer
    }

    /// Decodes the section. Throws `ConfigurationError`.
    ///
    /// - Parameters:
    ///   - defaults: values of keys that are left out.
    ///   - tokenizer: the VQ-VAE of the configuration.
    package init(from section: Section, defaults: BackboneOptions, tokenizer: VQVAEOptions?) throws {
        self = defaults
        let encoder = try section.section("encoder")
        var transformer = TransformerShape.version2
        var normformer = NormformerShape()
        let name: BlockName
        switch defaults.shape.blocks {
        case .transformer(let shape): (transformer, name) = (shape, .transformer)
        case .normformer(let shape): (normformer, name) = (shape, .normformer)
        }
        switch try encoder.choice(
            "block", of: BlockName.self, default: name,
            help: "type of the backbone's blocks: `transformer` (version 2) or `normformer` (version 1)")
        {
        case .transformer:
            shape.blocks = .transformer(
                try TransformerShape(from: encoder, defaults: transformer, hasRegisters: true))
        case .normformer:
            shape.blocks = .normformer(try NormformerShape(from: encoder, defaults: normformer))
        }
        shape.usesIdentity = try section.bool(
            "identity", default: shape.usesIdentity, help: "feed the particle identities to the model")
        inputs = try InputOptions(from: section.section("inputs"), defaults: inputs, tokenizer: tokenizer)
    }

    /// Decodes the section of a downstream task. Throws `ConfigurationError`, also if the result differs from the
    /// pre-trained backbone.
    ///
    /// - Parameter pretrained: the backbone of a checkpoint, which gives the values of keys that are left out.
    package init(from section: Section, pretrained: BackboneOptions?, tokenizer: VQVAEOptions?) throws {
        var defaults = pretrained ?? BackboneOptions()
        defaults.shape.hasPosition = try section.bool(
            "position_in_backbone", default: defaults.shape.hasPosition, .advanced,
            help: "feed the order in pT to the backbone; if left out, as in the pre-training of the backbone; false "
                + "leaves out the positions of a pre-trained one, as the authors' code of version 1 does")
        defaults.shape.isCausal = try section.bool(
            "causal", default: defaults.shape.isCausal, .advanced,
            help: "let a constituent attend only to itself and to those of higher pT; if left out, as in the "
                + "pre-training of the backbone")
        try self.init(from: section, defaults: defaults, tokenizer: tokenizer)
        if var pretrained {
            // The same weights serve for both kinds of attention, and without the positions.
            pretrained.shape.isCausal = shape.isCausal
            pretrained.shape.hasPosition = pretrained.shape.hasPosition && shape.hasPosition
            guard pretrained != self else { return }
            throw section.error("encoder", "the model differs from that of the backbone; leave the section out")
        }
    }
}
