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
    ///   - dropout: dropout of the attention weights; nil for none.
    ///   - tiledPairs: as in `Packing`.
    /// - Returns: the attended values, `[tokens, width]`, heads side by side, in the same element type.
    package func crossAttention(
        _ query: Variable, _ keysAndValues: Variable, offsets: Offsets, contextOffsets: Offsets, heads: Int,
        dropout: AttentionDropout? = nil, tiledPairs: Int? = nil
    ) -> Variable {
        invariant(
            contextOffsets.tokens == keysAndValues.value.rows,
            "offsets of \(contextOffsets.tokens) context tokens for \(keysAndValues.value.rows) rows")
        let context = contextOffsets.ranges
        let blocks = AttentionBlocks(
            queries: offsets, keys: context, heads: heads, dropout: dropout, tiledPairs: tiledPairs)
        let (y, kept) = attend(query.value, keysAndValues.value, offsets, context, blocks, heads: heads)
        let size = query.value.columns / heads
        return record("cross-attention", y, from: [query, keysAndValues]) { [unowned self] dy in
            query.addGradient { dquery in
                keysAndValues.addGradient { dcontext in
                    blocks.propagate(
                        HeadColumns(dy), through: AttentionOperands(query.value, keysAndValues.value), size: size,
                        kept: kept, HeadColumns(y), into: AttentionOperands(dquery, dcontext))
                    dquery.zeroRows(of: offsets.ranges, whereEmpty: context)
                    dcontext.zeroRows(of: context, whereEmpty: offsets.ranges)
                }
            }
            count(m: 4, n: blocks.products, k: size)
        }
    }

    /// The same without a gradient, for a context in a tensor with other rows between those of the jets.
    ///
    /// - Parameter context: the rows of each jet in `keysAndValues`.
    package func crossAttention(
        _ query: Tensor, _ keysAndValues: Tensor, offsets: Offsets, context: [Range<Int>], heads: Int
    ) -> Tensor {
        invariant(
            context.allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= keysAndValues.rows },
            "a context outside of \(keysAndValues.rows) rows")
        let blocks = AttentionBlocks(queries: offsets, keys: context, heads: heads)
        let y = attend(query, keysAndValues, offsets, context, blocks, heads: heads).y
        return record("cross-attention", y, from: []) { _ in }.value
    }

    /// The attended values, and what is kept for the gradient.
    private func attend(
        _ query: Tensor, _ keysAndValues: Tensor, _ offsets: Offsets, _ context: [Range<Int>],
        _ blocks: AttentionBlocks, heads: Int
    ) -> (y: Tensor, kept: Tensor) {
        let (tokens, width) = (query.rows, query.columns)
        invariant(width % heads == 0, "width \(width) is not divisible by \(heads) heads")
        invariant(
            keysAndValues.columns == 2 * width, "keys and values of \(keysAndValues.shape) for width \(width)")
        invariant(offsets.tokens == tokens, "offsets of \(offsets.tokens) tokens for \(tokens) rows")
        invariant(offsets.jets == context.count, "a context of \(context.count) jets for \(offsets.jets)")
        invariant(query.elementType == keysAndValues.elementType, "queries and keys differ in element type")
        let size = width / heads
        let kept = Tensor(shape: [blocks.count])
        let y = Tensor(shape: [tokens, width], elementType: query.elementType)
        blocks.attend(AttentionOperands(query, keysAndValues), size: size, kept: kept, into: HeadColumns(y))
        y.zeroRows(of: offsets.ranges, whereEmpty: context)
        count(m: 2, n: blocks.products, k: size)
        return (y, kept)
    }
}

extension AttentionOperands {
    /// Queries `[tokens, width]`, and keys and values `[context tokens, 2 · width]`; or their gradients.
    fileprivate init(_ query: Tensor, _ keysAndValues: Tensor) {
        let key = HeadColumns(keysAndValues)
        self.init(query: HeadColumns(query), key: key, value: key.advanced(columns: query.columns))
    }
}

extension Tensor {
    /// Zeroes the rows of the jets that have no rows in another tensor.
    fileprivate func zeroRows(of jets: [Range<Int>], whereEmpty other: [Range<Int>]) {
        for (rows, others) in zip(jets, other) where others.isEmpty { zeroRows(rows) }
    }
}
