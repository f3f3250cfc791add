import Configuration

/// Sections of a configuration with a downstream task as its objective.
package struct DownstreamOptions: Sendable {
    package var backbone: BackboneOptions
    package var fineTuning: FineTuning
    package var task: any DownstreamTaskOptions

    /// Decodes the sections from the root of a configuration. Throws `ConfigurationError`.
    ///
    /// - Parameters:
    ///   - backbone: the backbone of the checkpoint that `backbone` names.
    ///   - tokenizer: the VQ-VAE of the configuration.
    init(
        from root: Section, _ task: any DownstreamTaskOptions.Type, backbone: BackboneOptions?,
        tokenizer: VQVAEOptions?
    ) throws {
        fineTuning = try FineTuning(from: root)
        self.backbone = try BackboneOptions(
            from: root.section("model", .inherited), pretrained: backbone, tokenizer: tokenizer)
        self.task = try task.init(root: root)
    }
}
