import NN
import Tensors

/// Embeds constituents and encodes them: the network that is pre-trained to be used elsewhere.
public struct Backbone {
    private let continuous: Linear
    private let identity: ParameterSlot
    /// The transformer.
    public let encoder: TransformerEncoder

    public init(features: Int, identities: Int, encoder: TransformerShape, in scope: ParameterScope) {
        continuous = Linear(inputs: features, outputs: encoder.width, in: scope.scope("embedding.continuous"))
        identity = scope.parameter(
            "embedding.identity.weight", shape: [identities, encoder.width], .normal(deviation: 1))
        self.encoder = TransformerEncoder(encoder, in: scope.scope("encoder"))
    }

    /// Encodes jets to `[tokens + registers · jets, width]`, the registers first in each jet.
    public func callAsFunction(_ jets: Constituents, on tape: Tape) -> (output: Variable, offsets: Offsets) {
        let values = continuous(Variable(constant: jets.values), on: tape)
        let embedded = tape.add(values, tape.embedding(identity.variable, index: jets.identities))
        return encoder(embedded, offsets: jets.offsets, on: tape)
    }
}
