import Configuration
import Models

/// Sections of a configuration with `objective: next_token`.
package struct NextTokenOptions: Sendable {
    package var encoder = TransformerShape(width: 512, layers: 8, heads: 8, registers: 1)
    /// The tokens, which are inputs and targets.
    package var inputs: InputOptions
    /// Number of jets in which the identities of each token are counted.
    package var fitJets = 10_000

    package init(_ tokens: KMeansTokenizer.Options) { inputs = InputOptions(.kmeans, tokens) }

    /// The encoder, as the backbone of downstream tasks.
    package var backbone: BackboneOptions {
        BackboneOptions(
            shape: BackboneShape(.transformer(encoder), usesIdentity: false, isCausal: true), inputs: inputs)
    }

    /// Decodes the sections from the root of a configuration. Throws `ConfigurationError`.
    ///
    /// - Parameter tokenizer: the VQ-VAE of the configuration.
    package init(from root: Section, tokenizer: VQVAEOptions?) throws {
        var tokens = KMeansTokenizer.Options()
        tokens.clusters = 8192
        self.init(tokens)
        let model = try root.section("model", .inherited)
        let section = try model.section("encoder")
        encoder = try TransformerShape(from: section, defaults: encoder, hasRegisters: true)
        guard encoder.registers > 0 else {
            throw section.error("registers", "next_token needs at least one, from which the first token is predicted")
        }
        guard encoder.pairs == nil else {
            throw section.error(
                "pairs", "next_token has tokens as inputs, which have no momenta; leave the section out")
        }
        let inputSection = try model.section("inputs")
        inputs = try InputOptions(from: inputSection, defaults: inputs, tokenizer: tokenizer)
        guard inputs.name.isVocabulary else {
            throw inputSection.error(
                "name",
                "\(inputs.name.rawValue) is no vocabulary, and next_token predicts tokens: use kmeans, or vqvae with "
                    + "tokenizer.checkpoint")
        }
        fitJets = try root.section("next_token").int(
            "fit_jets", default: fitJets, in: .positive,
            help: "number of jets in which the identities of each token are counted, for `kaon generate`")
    }
}
