import NN
import Tensors

/// Embeds constituents and encodes them by Normformer blocks: the network of version 1 that is pre-trained to
/// be used elsewhere.
///
/// It takes any values: continuous features, or the vectors that stand for tokens. It knows no identities.
public struct NormformerBackbone {
    private let embedding: Linear
    private let position: LearnedPosition?
    /// The stack of blocks.
    public let encoder: NormformerEncoder

    /// - Parameter places: how many learned positions are added to the embedded constituents; nil for none.
    public init(features: Int, places: Int? = nil, encoder: NormformerShape, in scope: ParameterScope) {
        embedding = Linear(inputs: features, outputs: encoder.width, in: scope.scope("embedding.continuous"))
        position = places.map {
            LearnedPosition(places: $0, width: encoder.width, in: scope.scope("embedding"))
        }
        self.encoder = NormformerEncoder(encoder, in: scope.scope("encoder"))
    }

    /// The embedded constituents, `[tokens, width]`, without positions.
    func embed(_ values: Tensor, on tape: Tape) -> Variable {
        embedding(Variable(constant: values), on: tape)
    }

    /// Encodes embedded constituents, some of which may have been replaced.
    func encode(_ embedded: Variable, offsets: Offsets, keys: TokenKeys?, on tape: Tape) -> Variable {
        let x = position?(embedded, offsets: offsets, on: tape) ?? embedded
        return encoder(x, offsets: offsets, keys: keys, on: tape)
    }

    /// Encodes jets to `[tokens, width]`.
    ///
    /// - Parameter keys: the random numbers of dropout, one key for each token; nil outside of training.
    public func callAsFunction(
        _ jets: Constituents, keys: TokenKeys? = nil, on tape: Tape
    ) -> (output: Variable, offsets: Offsets) {
        (encode(embed(jets.values, on: tape), offsets: jets.offsets, keys: keys, on: tape), jets.offsets)
    }
}
