import Tensors

/// Transformer block with self- and cross-attention, conditioned on a vector per jet, such as an embedded time, by
/// adaLN-zero (Peebles and Xie, arXiv:2212.09748):
///
///     (a₁, b₁, g₁, a₂, b₂, g₂, a₃, b₃, g₃) = modulation(SiLU(condition))
///     x ← x + g₁ ⊙ attention(norm(x) ⊙ (1 + b₁) + a₁)
///     x ← x + g₂ ⊙ attention(norm(x) ⊙ (1 + b₂) + a₂, context)
///     x ← x + g₃ ⊙ feedforward(norm(x) ⊙ (1 + b₃) + a₃)
///
/// The modulation is initialised to zero, so the block is initially the identity.
package struct ModulatedDecoderBlock {
    private let modulation: Linear
    private let selfAttention: SelfAttention
    private let crossAttention: CrossAttention
    private let feedForward: GatedFeedForward

    /// - Parameter condition: number of channels of the condition.
    package init(width: Int, heads: Int, multiplier: Int, condition: Int, in scope: ParameterScope) {
        modulation = Linear(
            inputs: condition, outputs: 9 * width, weight: .constant(0), bias: .constant(0),
            in: scope.scope("modulation"))
        selfAttention = SelfAttention(width: width, heads: heads, in: scope.hidden.scope("self_attention"))
        crossAttention = CrossAttention(width: width, heads: heads, in: scope.hidden.scope("cross_attention"))
        feedForward = GatedFeedForward(width: width, multiplier: multiplier, in: scope.hidden.scope("feedforward"))
    }

    /// - Parameters:
    ///   - x: `[tokens, width]`.
    ///   - context: `[context tokens, width]`.
    ///   - condition: SiLU of the condition, `[jets, channels]`; the same for all blocks.
    package func callAsFunction(
        _ x: Variable, packing: Packing, context: Variable, contextOffsets: Offsets, condition: Variable,
        on tape: Tape
    ) -> Variable {
        let offsets = packing.offsets
        let modulations = modulation(condition, on: tape)
        func norm(_ x: Variable, _ branch: Int) -> Variable {
            tape.modulatedNorm(
                x, modulations: modulations, shift: 3 * branch, offsets: offsets, output: tape.activationType)
        }
        func join(_ x: Variable, _ output: Variable, _ branch: Int) -> Variable {
            tape.gatedResidual(x, output, modulations: modulations, gate: 3 * branch + 2, offsets: offsets)
        }
        var x = x
        x = join(x, selfAttention(norm(x, 0), packing: packing, on: tape), 0)
        x = join(
            x,
            crossAttention(
                norm(x, 1), offsets: offsets, context: context, contextOffsets: contextOffsets, on: tape), 1)
        return join(x, feedForward(norm(x, 2), on: tape), 2)
    }
}
