import Configuration
import Jets

/// Section `model.inputs`: the values that represent a constituent at the input of a backbone.
package struct InputOptions: Sendable, Equatable {
    /// The key `name`, with the table of tokenizers: a new one is a case and its row here, and a file.
    package enum Name: String, CaseIterable, Sendable {
        case raw, kmeans, vqvae, bins

        /// Options of the tokenizer whose vectors replace the features; nil for the preprocessed features themselves.
        var tokenizer: (any TokenizerOptions.Type)? {
            switch self {
            case .raw: nil
            case .kmeans: KMeansTokenizer.Options.self
            case .vqvae: VQVAEOptions.self
            case .bins: FittedBins.Options.self
            }
        }

        /// True if each constituent is one of a number of tokens.
        var isVocabulary: Bool {
            switch self {
            case .raw, .bins: false
            case .kmeans, .vqvae: true
            }
        }
    }

    /// Preprocessed features.
    package static let raw = InputOptions(.raw, nil)

    package let name: Name
    /// Nil for `raw`.
    package let tokenizer: (any TokenizerOptions)?

    /// - Parameter tokenizer: of the type that belongs to the name.
    package init(_ name: Name, _ tokenizer: (any TokenizerOptions)?) {
        self.name = name
        self.tokenizer = tokenizer
    }

    /// Decodes the section. Throws `ConfigurationError`.
    ///
    /// - Parameters:
    ///   - defaults: values of keys that are left out.
    ///   - tokenizer: the VQ-VAE of the configuration.
    init(from section: Section, defaults: InputOptions = .raw, tokenizer vqvae: VQVAEOptions?) throws {
        let name = try section.choice(
            "name", of: Name.self, default: defaults.name,
            help:
                "input for each constituent: its features, the centroid of its cluster, the vector of its code in the "
                + "VQ-VAE of `tokenizer`, or the bin of each feature")
        let inherited = name == defaults.name ? defaults.tokenizer : nil
        self.init(
            name, try name.tokenizer.map { try $0.init(inputs: section, vqvae: vqvae, defaults: inherited) })
    }

    /// The VQ-VAE whose codes are the inputs; nil for other inputs.
    package var vqvae: VQVAEOptions? { tokenizer?.vqvae }

    package static func == (a: InputOptions, b: InputOptions) -> Bool {
        func equal<Options: TokenizerOptions>(_ options: Options) -> Bool { options == b.tokenizer as? Options }
        return a.name == b.name && (a.tokenizer.map { equal($0) } ?? (b.tokenizer == nil))
    }
}
