import Configuration
import Jets
import MPI
import Models
import NN
import Tensors

/// Representation of constituents at the input of a backbone, in place of their features.
package protocol InputRepresentation: AnyObject {
    /// Width of the vector that represents a constituent.
    var dimension: Int { get }
    /// The jets with these vectors in place of the features, `[tokens, dimension]`.
    func replacingValues(of jets: Constituents) -> Constituents
    /// The tokenizer behind the vectors if its weights come from a checkpoint, so that tasks can share them.
    var pretrainedTokenizer: (any Tokenizer)? { get }

    /// The representation as a vocabulary; nil if the vectors are no tokens.
    var tokenizer: (any Tokenizer)? { get }

    /// As in `Objective`.
    func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws
    func useSyntheticTokens(_ points: (Int) -> Tensor) throws
    var state: ObjectiveState { get }
    func restore(_ state: ObjectiveState) throws
}

extension InputRepresentation {
    package var tokenizer: (any Tokenizer)? { nil }
    package var pretrainedTokenizer: (any Tokenizer)? { nil }
    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {}
    package func useSyntheticTokens(_ points: (Int) -> Tensor) throws {}
    package var state: ObjectiveState { ObjectiveState() }
    package func restore(_ state: ObjectiveState) throws {}
}

/// Map from the constituents of a jet to a vocabulary of tokens.
package protocol Tokenizer: InputRepresentation {
    /// Number of tokens in the vocabulary.
    var count: Int { get }
    /// True if the token of a constituent depends on the others of its jet.
    var isContextual: Bool { get }
    /// Weights that were trained beforehand and come from a checkpoint; nil for a tokenizer that is fitted to the data.
    var pretrainedParameters: ParameterStore? { get }

    /// The token of every constituent.
    func tokens(of jets: Constituents) -> [Int32]
    /// Vectors of some tokens, `[tokens.count, dimension]`.
    func vectors(of tokens: [Int32]) -> Tensor
    /// Features of the dropped constituents that have the given tokens, beside the survivors: `[dropped, features]`.
    func features(of tokens: [Int32], in jets: MaskedConstituents) -> Tensor
    /// Features of whole jets of the given tokens, `[tokens.count, features]`.
    func features(of tokens: [Int32], offsets: Offsets) -> Tensor
}

extension Tokenizer {
    package var tokenizer: (any Tokenizer)? { self }
    package var pretrainedTokenizer: (any Tokenizer)? { pretrainedParameters == nil ? nil : self }
    package var isContextual: Bool { false }
    package var pretrainedParameters: ParameterStore? { nil }
    package func features(of tokens: [Int32], in jets: MaskedConstituents) -> Tensor { vectors(of: tokens) }
    package func features(of tokens: [Int32], offsets: Offsets) -> Tensor { vectors(of: tokens) }

    /// Tokens of the dropped constituents.
    func tokens(ofDropped jets: MaskedConstituents) -> [Int32] {
        guard isContextual else { return tokens(of: jets.dropped) }
        let all = tokens(of: jets.all)
        return jets.droppedTokens.map { all[Int($0)] }
    }

    package func replacingValues(of jets: Constituents) -> Constituents {
        Constituents(
            values: vectors(of: tokens(of: jets)), identities: jets.identities, offsets: jets.offsets,
            momenta: jets.momenta)
    }
}

/// Options of the inputs of a backbone: a row of `InputOptions.Name.tokenizer`.
package protocol TokenizerOptions: Sendable, Equatable {
    /// Decodes the section `model.inputs`. Throws `ConfigurationError`.
    ///
    /// - Parameters:
    ///   - vqvae: the VQ-VAE that the section `tokenizer` names.
    ///   - defaults: values of keys that are left out, if of the same type, such as those of a pre-trained backbone.
    init(inputs section: Section, vqvae: VQVAEOptions?, defaults: (any TokenizerOptions)?) throws
    /// The VQ-VAE whose codes are the tokens; nil for other tokenizers.
    var vqvae: VQVAEOptions? { get }
    /// - Parameter section: the section of the configuration, for messages.
    func makeInputs(_ jets: JetShape, section: String) -> any InputRepresentation
}

extension TokenizerOptions {
    package var vqvae: VQVAEOptions? { nil }
}
