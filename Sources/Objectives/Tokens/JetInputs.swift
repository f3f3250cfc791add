import Jets
import MPI
import Models
import NN
import Tensors

/// Map from jets to the inputs of a backbone: the features, or the vectors of tokens in their place.
package struct JetInputs {
    /// Number of values that represent a constituent.
    package let width: Int
    private let representation: (any InputRepresentation)?

    package init(_ options: InputOptions, _ jets: JetShape) {
        representation = options.tokenizer?.makeInputs(jets, section: "model.inputs")
        width = representation?.dimension ?? jets.features
    }

    /// The tokenizer, if its weights come from a checkpoint.
    var pretrained: (any Tokenizer)? { representation?.pretrainedTokenizer }
    /// The vocabulary; nil for inputs that are no tokens.
    var tokenizer: (any Tokenizer)? { representation?.tokenizer }

    package func callAsFunction(_ jets: Constituents) -> Constituents {
        representation?.replacingValues(of: jets) ?? jets
    }

    /// Masks the same constituents of the mapped jets.
    package func callAsFunction(_ jets: MaskedConstituents) -> MaskedConstituents {
        representation == nil ? jets : MaskedConstituents(self(jets.all), mask: jets.mask)
    }

    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        try representation?.fit(to: jets, on: communicator, report: report)
    }

    package func useSyntheticTokens(_ points: (Int) -> Tensor) throws {
        try representation?.useSyntheticTokens(points)
    }

    fileprivate var state: ObjectiveState { representation?.state ?? ObjectiveState() }
    fileprivate func restore(_ state: ObjectiveState) throws { try representation?.restore(state) }
}

extension ObjectiveState {
    private static let (inputs, tokenizer) = ("inputs", "tokenizer")

    /// The state of an objective's inputs, and the weights of its trained tokenizer, if it has one.
    init(_ inputs: JetInputs, tokenizer: ParameterStore?) {
        self.init()
        self[Self.inputs] = inputs.state
        if let tokenizer { self[Self.tokenizer] = ObjectiveState(weights: tokenizer) }
    }

    /// Restores them. Throws `ObjectiveError` if they do not fit.
    func restore(_ inputs: JetInputs, tokenizer: ParameterStore?) throws {
        try inputs.restore(self[Self.inputs])
        if let tokenizer { try self[Self.tokenizer].copyWeights(into: tokenizer) }
    }
}
