import System

// T tokens, H heads, D channels per head, C = H D; per jet of n tokens and per head
//
//   x = [Q | K | V] [T, 3C]      S = Q Kᵀ / √D + B [n, n]      P = softmax(S)      y = P V [T, C]
//   causal: S_ij = −∞ for j > i
//   dV = Pᵀ dy      dP = dy Vᵀ      dS = P ⊙ (dP − Σ P ⊙ dP) / √D      dQ = dS K      dK = dSᵀ Q
extension Tape {
    /// Scaled dot-product attention among the tokens of each jet (Vaswani et al., arXiv:1706.03762); causal where the
    /// packing is, and with its bias.
    ///
    /// - Parameters:
    ///   - projected: queries, keys and values of every token, `[tokens, 3 · width]`, of either element type.
    ///   - dropout: dropout of the attention weights; nil for none.
    /// - Returns: the attended values, `[tokens, width]`, heads side by side, in the same element type.
    package func selfAttention(
        _ projected: Variable, packing: Packing, heads: Int, dropout: AttentionDropout? = nil
    ) -> Variable {
        let offsets = packing.offsets
        let (tokens, width) = (projected.value.rows, projected.value.columns / 3)
        invariant(projected.value.columns == 3 * width, "queries, keys and values differ in width")
        invariant(width % heads == 0, "width \(width) is not divisible by \(heads) heads")
        invariant(offsets.tokens == tokens, "offsets of \(offsets.tokens) tokens for \(tokens) rows")
        invariant(packing.bias.map { $0.heads == heads } ?? true, "a bias for another number of heads than \(heads)")
        let size = width / heads
        let blocks = AttentionBlocks(
            queries: offsets, keys: offsets.ranges, heads: heads, isCausal: packing.isCausal, dropout: dropout,
            tiledPairs: packing.tiledPairs)
        let kept = Tensor(shape: [blocks.count])
        let y = Tensor(shape: [tokens, width], elementType: projected.value.elementType)
        func operands(_ tensor: Tensor) -> AttentionOperands {
            let columns = HeadColumns(tensor)
            return AttentionOperands(
                query: columns, key: columns.advanced(columns: width), value: columns.advanced(columns: 2 * width))
        }
        blocks.attend(
            operands(projected.value), size: size, bias: packing.bias?.values, kept: kept,
            into: HeadColumns(y))
        count(m: 2, n: blocks.products, k: size)
        return record("self-attention", y, from: [projected] + (packing.bias.map { [$0.variable] } ?? [])) {
            [unowned self] dy in
            projected.addGradient { target in
                blocks.propagate(
                    HeadColumns(dy), through: operands(projected.value), size: size, bias: packing.bias?.values,
                    kept: kept,
                    HeadColumns(y), into: operands(target), biasGradient: packing.bias?.gradient)
            }
            count(m: 4, n: blocks.products, k: size)
        }
    }
}
