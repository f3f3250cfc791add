import Jets
import MPI
import Models
import Tensors

/// Map from jets to the inputs of a backbone: the features, or the vectors of tokens in their place.
package struct JetInputs {
    /// Name of the state in that of an objective.
    static let stateName = "inputs"

    /// Number of values that represent a constituent.
    package let width: Int
    private let tokenizer: (any InputRepresentation)?

    package init(_ options: InputOptions, _ jets: JetShape) {
        tokenizer = options.tokenizer?.makeInputs(jets, section: "model.inputs")
        width = tokenizer?.dimension ?? jets.features
    }

    /// The tokenizer, if its weights come from a checkpoint.
    var pretrained: (any Tokenizer)? { tokenizer?.pretrainedTokenizer }

    package func callAsFunction(_ jets: Constituents) -> Constituents {
        tokenizer?.replacingValues(of: jets) ?? jets
    }

    /// Masks the same constituents of the mapped jets.
    package func callAsFunction(_ jets: MaskedConstituents) -> MaskedConstituents {
        tokenizer == nil ? jets : MaskedConstituents(self(jets.all), mask: jets.mask)
    }

    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        try tokenizer?.fit(to: jets, on: communicator, report: report)
    }

    package func useSyntheticTokens(_ points: (Int) -> Tensor) { tokenizer?.useSyntheticTokens(points) }

    package var state: ObjectiveState { tokenizer?.state ?? ObjectiveState() }
    package func restore(_ state: ObjectiveState) throws { try tokenizer?.restore(state) }
}
