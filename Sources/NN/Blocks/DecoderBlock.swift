import Tensors

/// Pre-norm transformer block with self-attention and cross-attention to a context:
///
///     x ← x + γ₁ ⊙ attention(norm₁(x))
///     x ← x + γ₂ ⊙ attention(norm₂(x), context)
///     x ← x + γ₃ ⊙ feedforward(norm₃(x))
package struct DecoderBlock {
    private let selfAttentionNorm: LayerNorm
    private let selfAttention: SelfAttention
    private let selfAttentionScale: ParameterSlot?
    private let crossAttentionNorm: LayerNorm
    private let crossAttention: CrossAttention
    private let crossAttentionScale: ParameterSlot?
    private let feedForwardNorm: LayerNorm
    private let feedForward: GatedFeedForward
    private let feedForwardScale: ParameterSlot?

    /// - Parameter layerScale: initial value of the residual scales (LayerScale, arXiv:2103.17239); nil omits them.
    package init(width: Int, heads: Int, multiplier: Int, layerScale: Float?, in scope: ParameterScope) {
        let scope = scope.hidden
        func scale(_ name: String) -> ParameterSlot? {
            layerScale.map { scope.parameter(name, shape: [width], .constant($0)) }
        }
        selfAttentionNorm = LayerNorm(width: width, in: scope.scope("self_attention_norm"))
        selfAttention = SelfAttention(width: width, heads: heads, in: scope.scope("self_attention"))
        selfAttentionScale = scale("self_attention_scale")
        crossAttentionNorm = LayerNorm(width: width, in: scope.scope("cross_attention_norm"))
        crossAttention = CrossAttention(width: width, heads: heads, in: scope.scope("cross_attention"))
        crossAttentionScale = scale("cross_attention_scale")
        feedForwardNorm = LayerNorm(width: width, in: scope.scope("feedforward_norm"))
        feedForward = GatedFeedForward(width: width, multiplier: multiplier, in: scope.scope("feedforward"))
        feedForwardScale = scale("feedforward_scale")
    }

    /// - Parameters:
    ///   - x: `[tokens, width]`.
    ///   - context: `[context tokens, width]`.
    package func callAsFunction(
        _ x: Variable, packing: Packing, context: Variable, contextOffsets: Offsets, on tape: Tape
    ) -> Variable {
        let type = tape.activationType
        var x = x
        x = selfAttention(
            selfAttentionNorm(x, on: tape, output: type), packing: packing, addedTo: x, scale: selfAttentionScale,
            on: tape)
        x = crossAttention(
            crossAttentionNorm(x, on: tape, output: type), offsets: packing.offsets, context: context,
            contextOffsets: contextOffsets, addedTo: x, scale: crossAttentionScale, on: tape)
        return feedForward(
            feedForwardNorm(x, on: tape, output: type), addedTo: x, scale: feedForwardScale, on: tape)
    }
}
