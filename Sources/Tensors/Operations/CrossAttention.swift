internal import CKernels

// T queries, S keys, H heads, D channels a head, C = H D; per jet of n queries and m keys and per head
//
//   Q [T, C], x = [K | V] [S, 2C]    S = Q Kᵀ / √D [n, m]      P = softmax(S)      y = P V [T, C]
//   dV = Pᵀ dy      dP = dy Vᵀ      dS = P ⊙ (dP − Σ P ⊙ dP) / √D      dQ = dS K      dK = dSᵀ Q
extension Tape {
    /// Scaled dot-product attention of the tokens of each jet to the context of the same jet (Vaswani et al.,
    /// arXiv:1706.03762). A jet without context gets zeros.
    ///
    /// - Parameters:
    ///   - query: the queries of every token, `[tokens, width]`.
    ///   - keysAndValues: keys and values of every context token, `[context tokens, 2 · width]`.
    ///   - offsets: where the tokens of each jet begin.
    ///   - contextOffsets: where the context of each jet begins.
    /// - Returns: the attended values, `[tokens, width]`, heads side by side.
    public func crossAttention(
        _ query: Variable, _ keysAndValues: Variable, offsets: Offsets, contextOffsets: Offsets, heads: Int
    ) -> Variable {
        let (tokens, width) = (query.value.rows, query.value.columns)
        precondition(width % heads == 0, "width \(width) is not divisible by \(heads) heads")
        precondition(
            keysAndValues.value.columns == 2 * width,
            "keys and values of \(keysAndValues.shape) for width \(width)")
        precondition(
            offsets.tokens == tokens && contextOffsets.tokens == keysAndValues.value.rows, "one row a token")
        precondition(offsets.jets == contextOffsets.jets, "every jet has a context")
        let size = width / heads
        let scale = 1 / Float(size).squareRoot()
        let blocks = AttentionBlocks(queries: offsets, keys: contextOffsets, heads: heads)
        let probabilities = Tensor(shape: [blocks.count])
        let y = Tensor(shape: [tokens, width])
        func inputs(_ rows: Range<Int>, _ context: Range<Int>, _ head: Int) -> ck_attention_inputs {
            let key = keysAndValues.value.pointer + context.lowerBound * 2 * width + head * size
            return ck_attention_inputs(
                q: query.value.pointer + rows.lowerBound * width + head * size, k: key, v: key + width,
                q_stride: Int64(width), kv_stride: Int64(2 * width))
        }
        blocks.forEachHead(size: size) { rows, context, head, block, scratch in
            ck_attention(
                y.pointer + rows.lowerBound * width + head * size, Int64(width),
                probabilities.pointer + block,
                inputs(rows, context, head), scale, Int64(rows.count), Int64(context.count), Int64(size),
                scratch)
        }
        y.zeroRows(of: offsets, whereEmpty: contextOffsets)
        count(m: 2, n: blocks.products, k: size)
        return record("cross-attention", y, from: [query, keysAndValues]) { [unowned self] dy in
            let (dquery, dcontext) = (query.gradientTarget(), keysAndValues.gradientTarget())
            precondition(
                !dquery.accumulate && !dcontext.accumulate, "queries, keys and values feed attention alone")
            blocks.forEachHead(size: size) { rows, context, head, block, scratch in
                let dkey = dcontext.pointer + context.lowerBound * 2 * width + head * size
                let place = rows.lowerBound * width + head * size
                ck_attention_backward(
                    dquery.pointer + place, dkey, dkey + width, dy.pointer + place, Int64(width),
                    probabilities.pointer + block, inputs(rows, context, head), scale, Int64(rows.count),
                    Int64(context.count), Int64(size), scratch)
            }
            dquery.tensor.zeroRows(of: offsets, whereEmpty: contextOffsets)
            dcontext.tensor.zeroRows(of: contextOffsets, whereEmpty: offsets)
            count(m: 4, n: blocks.products, k: size)
        }
    }
}

extension Tensor {
    /// Zeroes the rows of the jets that have no rows in another packing.
    fileprivate func zeroRows(of offsets: Offsets, whereEmpty other: Offsets) {
        for jet in 0..<offsets.jets where other[jet].isEmpty {
            let rows = offsets[jet]
            (pointer + rows.lowerBound * columns).update(repeating: 0, count: rows.count * columns)
        }
    }
}
