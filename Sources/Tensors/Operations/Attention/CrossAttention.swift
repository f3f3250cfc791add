import System

// T queries, S keys, H heads, D channels per head, C = H D; per jet of n queries and m keys and per head
//
//   Q [T, C], x = [K | V] [S, 2C]    S = Q Kᵀ / √D [n, m]      P = softmax(S)      y = P V [T, C]
//   dV = Pᵀ dy      dP = dy Vᵀ      dS = P ⊙ (dP − Σ P ⊙ dP) / √D      dQ = dS K      dK = dSᵀ Q
extension Tape {
    /// Scaled dot-product attention of the tokens of each jet to the context of the same jet (Vaswani et al.,
    /// arXiv:1706.03762). The output is zero for a jet without context.
    ///
    /// - Parameters:
    ///   - query: the queries of every token, `[tokens, width]`, of either element type.
    ///   - keysAndValues: keys and values of every context token, `[context tokens, 2 · width]`, of the same type.
    ///   - offsets: the tokens of each jet.
    ///   - contextOffsets: the context tokens of each jet.
    ///   - tiledPairs: as in `Packing`.
    /// - Returns: the attended values, `[tokens, width]`, heads side by side, in the same element type.
    package func crossAttention(
        _ query: Variable, _ keysAndValues: Variable, offsets: Offsets, contextOffsets: Offsets, heads: Int,
        tiledPairs: Int? = nil
    ) -> Variable {
        let (tokens, width) = (query.value.rows, query.value.columns)
        invariant(width % heads == 0, "width \(width) is not divisible by \(heads) heads")
        invariant(
            keysAndValues.value.columns == 2 * width,
            "keys and values of \(keysAndValues.shape) for width \(width)")
        invariant(offsets.tokens == tokens, "offsets of \(offsets.tokens) tokens for \(tokens) rows")
        invariant(
            contextOffsets.tokens == keysAndValues.value.rows,
            "offsets of \(contextOffsets.tokens) context tokens for \(keysAndValues.value.rows) rows")
        invariant(offsets.jets == contextOffsets.jets, "a context of \(contextOffsets.jets) jets for \(offsets.jets)")
        invariant(
            query.value.elementType == keysAndValues.value.elementType, "queries and keys differ in element type")
        let size = width / heads
        let blocks = AttentionBlocks(queries: offsets, keys: contextOffsets, heads: heads, tiledPairs: tiledPairs)
        let kept = Tensor(shape: [blocks.count])
        let y = Tensor(shape: [tokens, width], elementType: query.value.elementType)
        func operands(_ query: Tensor, _ keysAndValues: Tensor) -> AttentionOperands {
            let key = HeadColumns(keysAndValues)
            return AttentionOperands(query: HeadColumns(query), key: key, value: key.advanced(columns: width))
        }
        blocks.attend(
            operands(query.value, keysAndValues.value), size: size, kept: kept, into: HeadColumns(y))
        y.zeroRows(of: offsets, whereEmpty: contextOffsets)
        count(m: 2, n: blocks.products, k: size)
        return record("cross-attention", y, from: [query, keysAndValues]) { [unowned self] dy in
            query.addGradient { dquery in
                keysAndValues.addGradient { dcontext in
                    blocks.propagate(
                        HeadColumns(dy), through: operands(query.value, keysAndValues.value), size: size,
                        kept: kept, HeadColumns(y), into: operands(dquery, dcontext))
                    dquery.zeroRows(of: offsets, whereEmpty: contextOffsets)
                    dcontext.zeroRows(of: contextOffsets, whereEmpty: offsets)
                }
            }
            count(m: 4, n: blocks.products, k: size)
        }
    }
}

extension Tensor {
    /// Zeroes the rows of the jets that have no rows in another packing.
    fileprivate func zeroRows(of offsets: Offsets, whereEmpty other: Offsets) {
        for jet in 0..<offsets.jets where other[jet].isEmpty { zeroRows(offsets[jet]) }
    }
}
