import Tensors

/// Pre-norm transformer block with LayerScale:
///
///     x ← x + γ₁ ⊙ attention(norm₁(x))
///     x ← x + γ₂ ⊙ feedforward(norm₂(x))
package struct TransformerBlock {
    private let attentionNorm: LayerNorm
    private let attention: SelfAttention
    private let attentionScale: ParameterSlot?
    private let feedForwardNorm: LayerNorm
    private let feedForward: GatedFeedForward
    private let feedForwardScale: ParameterSlot?

    /// - Parameter layerScale: initial value of the residual scales (LayerScale, arXiv:2103.17239); nil omits them.
    package init(width: Int, heads: Int, multiplier: Int, layerScale: Float?, in scope: ParameterScope) {
        let scope = scope.hidden
        func scale(_ name: String) -> ParameterSlot? {
            layerScale.map { scope.parameter(name, shape: [width], .constant($0)) }
        }
        attentionNorm = LayerNorm(width: width, in: scope.scope("attention_norm"))
        attention = SelfAttention(width: width, heads: heads, in: scope.scope("attention"))
        attentionScale = scale("attention_scale")
        feedForwardNorm = LayerNorm(width: width, in: scope.scope("feedforward_norm"))
        feedForward = GatedFeedForward(width: width, multiplier: multiplier, in: scope.scope("feedforward"))
        feedForwardScale = scale("feedforward_scale")
    }

    /// Output of the block for packed jets `[tokens, width]`, with the same shape.
    package func callAsFunction(_ x: Variable, packing: Packing, on tape: Tape) -> Variable {
        let type = tape.activationType
        let x = attention(
            attentionNorm(x, on: tape, output: type), packing: packing, addedTo: x, scale: attentionScale, on: tape)
        return feedForward(
            feedForwardNorm(x, on: tape, output: type), addedTo: x, scale: feedForwardScale, on: tape)
    }

    /// Output of the causal block for one more token of each jet, `[jets, width]`.
    package func callAsFunction(next x: Variable, after cache: AttentionCache, on tape: Tape) -> Variable {
        let x = attention(
            next: attentionNorm(x, on: tape), after: cache, addedTo: x, scale: attentionScale, on: tape)
        return feedForward(feedForwardNorm(x, on: tape), addedTo: x, scale: feedForwardScale, on: tape)
    }
}
