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
        let blocks = AttentionBlocks(offsets, heads: heads)
        let probabilities = Tensor(shape: [blocks.count])
        let y = Tensor(shape: [tokens, width])
        forEachHead(offsets, heads, blocks) { rows, head, block in
            let n = rows.count
            let query = Matrix(projected.value).advanced(rows: rows.lowerBound, columns: head * size)
            let p = Matrix(probabilities.pointer + block, stride: n)
            multiply(
                m: n, n: n, k: size, alpha: scale, query, .no, query.advanced(columns: width), .yes, into: p)
            ck_softmax(p.pointer, Int64(n), Int64(n))
            multiply(
                m: n, n: size, k: n, p, .no, query.advanced(columns: 2 * width), .no,
                into: Matrix(y).advanced(rows: rows.lowerBound, columns: head * size))
        }
        count(m: 2, n: blocks.count, k: size)
        return record(y, from: [projected]) { [unowned self] dy in
            let target = projected.gradientTarget()
            precondition(!target.accumulate, "queries, keys and values feed attention alone")
            forEachHead(offsets, heads, blocks) { rows, head, block in
                let n = rows.count
                let scores = Tensor(shape: [n, n])
                let p = Matrix(probabilities.pointer + block, stride: n)
                let dscores = Matrix(scores)
                let doutput = Matrix(dy).advanced(rows: rows.lowerBound, columns: head * size)
                let query = Matrix(projected.value).advanced(rows: rows.lowerBound, columns: head * size)
                let dquery = Matrix(target.tensor).advanced(rows: rows.lowerBound, columns: head * size)
                multiply(m: n, n: size, k: n, p, .yes, doutput, .no, into: dquery.advanced(columns: 2 * width))
                multiply(m: n, n: n, k: size, doutput, .no, query.advanced(columns: 2 * width), .yes, into: dscores)
                ck_softmax_backward(dscores.pointer, p.pointer, scale, Int64(n), Int64(n))
                multiply(m: n, n: size, k: n, dscores, .no, query.advanced(columns: width), .no, into: dquery)
                multiply(
                    m: n, n: size, k: n, dscores, .yes, query, .no, into: dquery.advanced(columns: width))
            }
            count(m: 4, n: blocks.count, k: size)
        }
    }
}

/// Where the scores of each jet, [heads, n, n], begin in one flat buffer.
private struct AttentionBlocks {
    let starts: [Int]
    let count: Int

    init(_ offsets: Offsets, heads: Int) {
        var (starts, total) = ([Int](), 0)
        starts.reserveCapacity(offsets.jets)
        for jet in 0..<offsets.jets {
            starts.append(total)
            total += heads * offsets[jet].count * offsets[jet].count
        }
        self.starts = starts
        count = total
    }
}

/// Runs `body(rows of the jet, head, start of its scores)` for every jet that has tokens and every head; a thread takes
/// whole jets, so that what it computes does not depend on the others.
private func forEachHead(
    _ offsets: Offsets, _ heads: Int, _ blocks: AttentionBlocks, _ body: (Range<Int>, Int, Int) -> Void
) {
    parallel(offsets.jets) { jets in
        for jet in jets where !offsets[jet].isEmpty {
            let rows = offsets[jet]
            for head in 0..<heads {
                body(rows, head, blocks.starts[jet] + head * rows.count * rows.count)
            }
        }
    }
}
