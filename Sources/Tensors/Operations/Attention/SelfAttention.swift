internal import CKernels
import System

// T tokens, H heads, D channels a head, C = H D; per jet of n tokens and per head
//
//   x = [Q | K | V] [T, 3C]      S = Q Kᵀ / √D [n, n]      P = softmax(S)      y = P V [T, C]
//   dV = Pᵀ dy      dP = dy Vᵀ      dS = P ⊙ (dP − Σ P ⊙ dP) / √D      dQ = dS K      dK = dSᵀ Q
extension Tape {
    /// Scaled dot-product attention among the tokens of each jet (Vaswani et al., arXiv:1706.03762).
    ///
    /// - Parameters:
    ///   - projected: queries, keys and values of every token, `[tokens, 3 · width]`.
    ///   - offsets: where each jet begins.
    /// - Returns: the attended values, `[tokens, width]`, heads side by side.
    package func selfAttention(_ projected: Variable, offsets: Offsets, heads: Int) -> Variable {
        let (tokens, width) = (projected.values.rows, projected.values.columns / 3)
        invariant(projected.values.columns == 3 * width, "queries, keys and values have equal widths")
        invariant(width % heads == 0, "width \(width) is not divisible by \(heads) heads")
        invariant(offsets.tokens == tokens, "offsets of \(offsets.tokens) tokens for \(tokens) rows")
        let size = width / heads
        let blocks = AttentionBlocks(queries: offsets, keys: offsets, heads: heads)
        let probabilities = Tensor(shape: [blocks.count])
        let y = Values(shape: [tokens, width], isNarrow: projected.values.isNarrow)
        func parts(_ matrix: Matrix) -> AttentionInputs {
            AttentionInputs(
                query: matrix, key: matrix.advanced(columns: width), value: matrix.advanced(columns: 2 * width))
        }
        blocks.attend(parts(Matrix(projected.values)), size: size, probabilities: probabilities, into: Matrix(y))
        count(m: 2, n: blocks.products, k: size)
        return record("self-attention", y, from: [projected]) { [unowned self] dy in
            let target = projected.soleGradientTarget()
            blocks.propagate(
                Matrix(dy), through: parts(Matrix(projected.values)), size: size, probabilities: probabilities,
                into: parts(Matrix(target)))
            count(m: 4, n: blocks.products, k: size)
        }
    }
}
