internal import CKernels
import System

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
    package func crossAttention(
        _ query: Variable, _ keysAndValues: Variable, offsets: Offsets, contextOffsets: Offsets, heads: Int
    ) -> Variable {
        let (tokens, width) = (query.values.rows, query.values.columns)
        invariant(width % heads == 0, "width \(width) is not divisible by \(heads) heads")
        invariant(
            keysAndValues.values.columns == 2 * width,
            "keys and values of \(keysAndValues.shape) for width \(width)")
        invariant(
            offsets.tokens == tokens && contextOffsets.tokens == keysAndValues.values.rows, "one row a token")
        invariant(offsets.jets == contextOffsets.jets, "every jet has a context")
        let size = width / heads
        invariant(
            query.values.isNarrow == keysAndValues.values.isNarrow, "queries and keys are of one precision")
        let blocks = AttentionBlocks(queries: offsets, keys: contextOffsets, heads: heads)
        let probabilities = Tensor(shape: [blocks.count])
        let y = Values(shape: [tokens, width], isNarrow: query.values.isNarrow)
        func parts(_ query: Values, _ keysAndValues: Values) -> AttentionInputs {
            let key = Matrix(keysAndValues)
            return AttentionInputs(query: Matrix(query), key: key, value: key.advanced(columns: width))
        }
        blocks.attend(
            parts(query.values, keysAndValues.values), size: size, probabilities: probabilities, into: Matrix(y))
        y.zeroRows(of: offsets, whereEmpty: contextOffsets)
        count(m: 2, n: blocks.products, k: size)
        return record("cross-attention", y, from: [query, keysAndValues]) { [unowned self] dy in
            let (dquery, dcontext) = (query.soleGradientTarget(), keysAndValues.soleGradientTarget())
            blocks.propagate(
                Matrix(dy), through: parts(query.values, keysAndValues.values), size: size,
                probabilities: probabilities, into: parts(dquery, dcontext))
            dquery.zeroRows(of: offsets, whereEmpty: contextOffsets)
            dcontext.zeroRows(of: contextOffsets, whereEmpty: offsets)
            count(m: 4, n: blocks.products, k: size)
        }
    }
}

extension Values {
    /// Zeroes the rows of the jets that have no rows in another packing.
    fileprivate func zeroRows(of offsets: Offsets, whereEmpty other: Offsets) {
        for jet in 0..<offsets.jets where other[jet].isEmpty {
            let place = offsets[jet].lowerBound * columns
            let count = offsets[jet].count * columns
            switch self {
            case .single(let tensor): (tensor.pointer + place).update(repeating: 0, count: count)
            case .narrow(let tensor): (tensor.pointer + place).update(repeating: 0, count: count)
            }
        }
    }
}
