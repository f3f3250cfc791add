import Configuration
import Models

/// The section `model` of a downstream task: the network in front of its head.
public struct BackboneOptions: Sendable, Equatable {
    public var encoder = TransformerShape(width: 512, layers: 8, heads: 8, registers: 8)

    public init() {}

    public init(encoder: TransformerShape) {
        self.encoder = encoder
    }

    /// Decodes the section. Throws `ConfigurationError`, also where it differs from the pre-trained backbone.
    ///
    /// - Parameter pretrained: that of a checkpoint, which is what keys that are left out say.
    public init(from section: Section, pretrained: BackboneOptions?) throws {
        encoder = try TransformerShape(
            from: section.section("encoder"), defaults: pretrained?.encoder ?? encoder, hasRegisters: true)
        if let pretrained, pretrained != self {
            throw section.error("encoder", "differs from that of the backbone; leave the section out")
        }
    }
}
