internal import CKernels

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
    public func selfAttention(_ projected: Variable, offsets: Offsets, heads: Int) -> Variable {
        let (tokens, width) = (projected.value.rows, projected.value.columns / 3)
        precondition(projected.value.columns == 3 * width, "queries, keys and values have equal widths")
        precondition(width % heads == 0, "width \(width) is not divisible by \(heads) heads")
        precondition(offsets.tokens == tokens, "offsets of \(offsets.tokens) tokens for \(tokens) rows")
        let size = width / heads
        let scale = 1 / Float(size).squareRoot()
        let blocks = AttentionBlocks(queries: offsets, keys: offsets, heads: heads)
        let probabilities = Tensor(shape: [blocks.count])
        let y = Tensor(shape: [tokens, width])
        func inputs(_ rows: Range<Int>, _ head: Int) -> ck_attention_inputs {
            let query = projected.value.pointer + rows.lowerBound * 3 * width + head * size
            return ck_attention_inputs(
                q: query, k: query + width, v: query + 2 * width, q_stride: Int64(3 * width),
                kv_stride: Int64(3 * width))
        }
        blocks.forEachHead(size: size) { rows, _, head, block, scratch in
            ck_attention(
                y.pointer + rows.lowerBound * width + head * size, Int64(width), probabilities.pointer + block,
                inputs(rows, head), scale, Int64(rows.count), Int64(rows.count), Int64(size), scratch)
        }
        count(m: 2, n: blocks.products, k: size)
        return record("self-attention", y, from: [projected]) { [unowned self] dy in
            let target = projected.gradientTarget()
            precondition(!target.accumulate, "queries, keys and values feed attention alone")
            blocks.forEachHead(size: size) { rows, _, head, block, scratch in
                let dquery = target.pointer + rows.lowerBound * 3 * width + head * size
                ck_attention_backward(
                    dquery, dquery + width, dquery + 2 * width,
                    dy.pointer + rows.lowerBound * width + head * size, Int64(width),
                    probabilities.pointer + block, inputs(rows, head), scale, Int64(rows.count), Int64(rows.count),
                    Int64(size), scratch)
            }
            count(m: 4, n: blocks.products, k: size)
        }
    }
}
