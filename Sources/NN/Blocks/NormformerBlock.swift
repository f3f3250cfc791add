import System
import Tensors

/// Transformer block with a norm before and a second norm inside each branch (Shleifer et al., arXiv:2110.09456):
///
///     x ← x + output(dropout(norm(heads(norm₁(x)))))
///     x ← x + second(dropout(norm(LeakyReLU(first(norm₂(x))))))
///
/// The last map of each branch is initialised to zero, so the block is initially the identity.
package struct NormformerBlock {
    /// Number of dropout layers of a block: one before the last map of each residual branch.
    package static let dropoutPlaces = 2

    private let attentionNorm: LayerNorm
    private let qkv: Linear
    private let headsNorm: LayerNorm
    private let attentionDropout: Dropout
    private let attentionOutput: Linear
    private let feedForwardNorm: LayerNorm
    private let input: Linear
    private let hiddenNorm: LayerNorm
    private let feedForwardDropout: Dropout
    private let output: Linear
    private let heads: Int
    private let activation = Activation.leakyReLU(slope: 0.1)

    /// - Parameters:
    ///   - hidden: the hidden width of the feed-forward network.
    ///   - dropout: the dropout rate.
    ///   - dropoutPlace: the number of the first of this block's two dropout layers.
    package init(
        width: Int, heads: Int, hidden: Int, dropout: Float, dropoutPlace: Int, in scope: ParameterScope
    ) {
        invariant(width % heads == 0, "width \(width) is not divisible by \(heads) heads")
        self.heads = heads
        let scope = scope.hidden
        func residual(inputs: Int, in scope: ParameterScope) -> Linear {
            Linear(inputs: inputs, outputs: width, weight: .constant(0), bias: .constant(0), in: scope)
        }
        attentionNorm = LayerNorm(width: width, in: scope.scope("attention_norm"))
        qkv = Linear(
            inputs: width, outputs: 3 * width, weight: .xavier(inputs: width, outputs: 3 * width),
            bias: .constant(0), in: scope.scope("attention.qkv"))
        headsNorm = LayerNorm(width: width, in: scope.scope("attention.norm"))
        attentionDropout = Dropout(rate: dropout, place: dropoutPlace)
        attentionOutput = residual(inputs: width, in: scope.scope("attention.output"))
        feedForwardNorm = LayerNorm(width: width, in: scope.scope("feedforward_norm"))
        input = Linear(inputs: width, outputs: hidden, in: scope.scope("feedforward.input"))
        hiddenNorm = LayerNorm(width: hidden, in: scope.scope("feedforward.norm"))
        feedForwardDropout = Dropout(rate: dropout, place: dropoutPlace + 1)
        output = residual(inputs: hidden, in: scope.scope("feedforward.output"))
    }

    /// - Parameter keys: keys of the random numbers for dropout, one for each token; nil outside training.
    package func callAsFunction(
        _ x: Variable, packing: Packing, keys: TokenKeys? = nil, on tape: Tape
    ) -> Variable {
        let type = tape.activationType
        let projected = qkv(attentionNorm(x, on: tape, output: type), on: tape, output: type)
        let attended = headsNorm(
            tape.selfAttention(projected, packing: packing, heads: heads), on: tape, output: type)
        let x = attentionOutput(
            attentionDropout(attended, keys: keys, on: tape), addedTo: x, scale: nil, on: tape)
        let projectedHidden = input(feedForwardNorm(x, on: tape, output: type), on: tape, output: type)
        let hidden = hiddenNorm(activation(projectedHidden, on: tape), on: tape, output: type)
        return output(feedForwardDropout(hidden, keys: keys, on: tape), addedTo: x, scale: nil, on: tape)
    }
}
