import System
import Tensors

/// Transformer block with a norm before and a second norm inside each branch (Shleifer et al., arXiv:2110.09456):
///
///     x ← x + output(norm(heads(norm₁(x))))
///     x ← x + second(norm(LeakyReLU(first(norm₂(x)))))
///
/// Dropout applies to the attention weights. The last map of each branch is initialised to zero, so the block is
/// initially the identity; the others as in PyTorch.
package struct NormformerBlock {
    private let attentionNorm: LayerNorm
    private let qkv: Linear
    private let headsNorm: LayerNorm
    private let dropout: Dropout
    private let attentionOutput: Linear
    private let feedForwardNorm: LayerNorm
    private let input: Linear
    private let hiddenNorm: LayerNorm
    private let output: Linear
    private let heads: Int
    private let activation = Activation.leakyReLU(slope: 0.1)

    /// - Parameters:
    ///   - hidden: the hidden width of the feed-forward network.
    ///   - dropout: dropout of the attention weights.
    package init(
        width: Int, heads: Int, hidden: Int, dropout: Dropout, in scope: ParameterScope
    ) {
        invariant(width % heads == 0, "width \(width) is not divisible by \(heads) heads")
        (self.heads, self.dropout) = (heads, dropout)
        let scope = scope.hidden
        func residual(inputs: Int, in scope: ParameterScope) -> Linear {
            Linear(inputs: inputs, outputs: width, weight: .constant(0), bias: .constant(0), in: scope)
        }
        attentionNorm = LayerNorm(width: width, in: scope.scope("attention_norm"))
        qkv = Linear(inputs: width, outputs: 3 * width, in: scope.scope("attention.qkv"))
        headsNorm = LayerNorm(width: width, in: scope.scope("attention.norm"))
        attentionOutput = residual(inputs: width, in: scope.scope("attention.output"))
        feedForwardNorm = LayerNorm(width: width, in: scope.scope("feedforward_norm"))
        input = Linear(inputs: width, outputs: hidden, in: scope.scope("feedforward.input"))
        hiddenNorm = LayerNorm(width: hidden, in: scope.scope("feedforward.norm"))
        output = residual(inputs: hidden, in: scope.scope("feedforward.output"))
    }

    /// - Parameter keys: keys of the random numbers for dropout, one for each token; nil outside training.
    package func callAsFunction(
        _ x: Variable, packing: Packing, keys: TokenKeys? = nil, on tape: Tape
    ) -> Variable {
        let type = tape.activationType
        let projected = qkv(attentionNorm(x, on: tape, output: type), on: tape, output: type)
        let attended = tape.selfAttention(
            projected, packing: packing, heads: heads, dropout: dropout.ofWeights(keys: keys))
        let x = attentionOutput(headsNorm(attended, on: tape, output: type), addedTo: x, scale: nil, on: tape)
        let projectedHidden = input(feedForwardNorm(x, on: tape, output: type), on: tape, output: type)
        let hidden = hiddenNorm(activation(projectedHidden, on: tape), on: tape, output: type)
        return output(hidden, addedTo: x, scale: nil, on: tape)
    }
}
