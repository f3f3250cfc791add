import NN
import Tensors

/// Network of next-token prediction (Birk et al., arXiv:2403.05618): a causal backbone and a linear map of its outputs
/// to one logit for each token of the vocabulary and one, the last, for the end of the jet.
///
/// The registers in front of each jet are the start token: the last of them predicts the first constituent.
package struct NextTokenModel {
    /// The encoder, which downstream tasks use.
    package let backbone: Backbone
    private let head: Linear

    /// - Parameters:
    ///   - features: number of values that represent a token at the input.
    ///   - tokens: number of tokens of the vocabulary.
    ///   - shape: causal transformer blocks with registers, without identities, positions and pairs.
    package init(features: Int, tokens: Int, shape: BackboneShape, in scope: ParameterScope) {
        backbone = shape.makeEncoder(features: features, identities: 0, maxConstituents: 0, in: scope)
        head = Linear(inputs: backbone.width, outputs: tokens + 1, in: scope.scope("next_token"))
    }

    /// Logits of the next token, `[constituents + jets, tokens + 1]`: row k of a jet is given its first k constituents.
    package func callAsFunction(_ jets: Constituents, on tape: Tape) -> Variable {
        let encoded = backbone(jets, on: tape)
        var rows: [Int32] = []
        rows.reserveCapacity(jets.offsets.tokens + jets.offsets.jets)
        for jet in 0..<jets.offsets.jets {
            rows += encoded.offsets[jet].dropFirst(backbone.registers - 1).lazy.map { Int32($0) }
        }
        return logits(tape.gatherRows([encoded.output], index: rows), on: tape)
    }

    /// Logits of the token after those that outputs of the backbone belong to, `[rows, tokens + 1]`.
    package func logits(_ encoded: Variable, on tape: Tape) -> Variable { head(encoded, on: tape) }
}
