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
        forEachHead(offsets, heads, size, blocks) { rows, head, block, scratch in
            let query = projected.value.pointer + rows.lowerBound * 3 * width + head * size
            ck_attention(
                y.pointer + rows.lowerBound * width + head * size, Int64(width), probabilities.pointer + block, query,
                query + width, query + 2 * width, Int64(3 * width), scale, Int64(rows.count), Int64(size), scratch)
        }
        count(m: 2, n: blocks.products, k: size)
        return record("self-attention", y, from: [projected]) { [unowned self] dy in
            let target = projected.gradientTarget()
            precondition(!target.accumulate, "queries, keys and values feed attention alone")
            forEachHead(offsets, heads, size, blocks) { rows, head, block, scratch in
                let start = rows.lowerBound * 3 * width + head * size
                let (query, dquery) = (projected.value.pointer + start, target.pointer + start)
                ck_attention_backward(
                    dquery, dquery + width, dquery + 2 * width,
                    dy.pointer + rows.lowerBound * width + head * size, Int64(width),
                    probabilities.pointer + block, query, query + width, query + 2 * width, Int64(3 * width), scale,
                    Int64(rows.count), Int64(size), scratch)
            }
            count(m: 4, n: blocks.products, k: size)
        }
    }
}

/// Where the probabilities of each jet, [heads, n, n padded to 16], begin in one flat buffer.
private struct AttentionBlocks {
    /// Per jet: the first element, and the elements of one head.
    let starts: [Int]
    let sizes: [Int]
    /// All elements.
    let count: Int
    /// Σ heads · n², for counting operations.
    let products: Int
    /// The tokens of the longest jet.
    let longest: Int

    init(_ offsets: Offsets, heads: Int) {
        var (starts, sizes, total, products, longest) = ([Int](), [Int](), 0, 0, 0)
        starts.reserveCapacity(offsets.jets)
        sizes.reserveCapacity(offsets.jets)
        for jet in 0..<offsets.jets {
            let n = offsets[jet].count
            starts.append(total)
            sizes.append(n * ((n + 15) / 16 * 16))
            total += heads * sizes[jet]
            products += heads * n * n
            longest = max(longest, n)
        }
        (self.starts, self.sizes, self.products, self.longest) = (starts, sizes, products, longest)
        count = total
    }
}

/// Runs `body(rows of the jet, head, start of its probabilities, scratch)` for every jet that has tokens and every head; a
/// thread takes whole jets, so that what it computes does not depend on the others.
private func forEachHead(
    _ offsets: Offsets, _ heads: Int, _ size: Int, _ blocks: AttentionBlocks,
    _ body: (Range<Int>, Int, Int, UnsafeMutablePointer<Float>) -> Void
) {
    parallel(offsets.jets) { jets in
        let scratch = Tensor(shape: [Int(ck_attention_scratch(Int64(blocks.longest), Int64(size)))])
        withExtendedLifetime(scratch) {
            for jet in jets where !offsets[jet].isEmpty {
                for head in 0..<heads {
                    body(offsets[jet], head, blocks.starts[jet] + head * blocks.sizes[jet], scratch.pointer)
                }
            }
        }
    }
}
