internal import CKernels

// T queries, S keys, H heads, D channels per head, C = H D; per jet of n queries and m keys and per head
//
//   S = Q Kᵀ / √D [n, m]      P = softmax(S)      y = P V
//   dV = Pᵀ dy      dP = dy Vᵀ      dS = P ⊙ (dP − Σ P ⊙ dP) / √D      dQ = dS K      dK = dSᵀ Q

/// Attention of every head of every jet, and the layout of its probabilities: those of each jet, `[heads, keys, queries
/// padded to 16]`, lie one after the other in a flat buffer.
struct AttentionBlocks {
    private let queries: Offsets
    private let keys: Offsets
    private let heads: Int
    private let isCausal: Bool
    /// The first element of each jet.
    private let starts: [Int]
    /// The elements of one head of each jet.
    private let sizes: [Int]
    /// The number of elements in the buffer.
    let count: Int
    /// Σ heads · queries · keys, for counting operations.
    let products: Int
    /// The largest numbers of queries and keys of a jet.
    private let longest: (queries: Int, keys: Int)

    /// - Parameter isCausal: true if query i of a jet attends to keys j ≤ i alone.
    init(queries: Offsets, keys: Offsets, heads: Int, isCausal: Bool = false) {
        (self.queries, self.keys, self.heads, self.isCausal) = (queries, keys, heads, isCausal)
        var (starts, sizes, total, products, longest) = ([Int](), [Int](), 0, 0, (queries: 0, keys: 0))
        starts.reserveCapacity(queries.jets)
        sizes.reserveCapacity(queries.jets)
        for jet in 0..<queries.jets {
            let (n, m) = (queries[jet].count, keys[jet].count)
            starts.append(total)
            sizes.append(m * ((n + 15) / 16 * 16))
            total += heads * sizes[jet]
            products += heads * n * m
            longest = (max(longest.queries, n), max(longest.keys, m))
        }
        (self.starts, self.sizes, self.products, self.longest) = (starts, sizes, products, longest)
        count = total
    }

    /// Computes the attended values of every head of `size` channels, and its probabilities.
    ///
    /// Heads of bfloat16 tensors are computed in single precision, on copies.
    func attend(_ inputs: AttentionOperands, size: Int, probabilities: Tensor, into y: HeadColumns) {
        let copies = y.isBFloat16 ? 2 * (longest.queries + longest.keys) * size : 0
        forEachHead(size: size, copies: copies) { rows, context, head, block, scratch in
            let part = inputs.head(head, size: size, rows, context)
            var free = scratch + self.scratch(size: size)
            let result = y.advanced(rows: rows.lowerBound, columns: head * size)
            let single = part.widened(rows.count, context.count, size, &free)
            let attended = result.copy(rows.count, size, &free, read: false)
            ck_attention(
                attended.pointer, Int64(attended.stride), probabilities.pointer + block,
                single.kernelInputs(isCausal: isCausal),
                1 / Float(size).squareRoot(), Int64(rows.count), Int64(context.count), Int64(size), scratch)
            result.store(attended, rows.count, size)
        }
    }

    /// Overwrites the gradients of the inputs of `attend`.
    func propagate(
        _ dy: HeadColumns, through inputs: AttentionOperands, size: Int, probabilities: Tensor,
        into gradients: AttentionOperands
    ) {
        let copies = dy.isBFloat16 ? (3 * longest.queries + 4 * longest.keys) * size : 0
        forEachHead(size: size, copies: copies) { rows, context, head, block, scratch in
            let (n, m) = (rows.count, context.count)
            var free = scratch + self.scratch(size: size)
            let target = gradients.head(head, size: size, rows, context)
            let single = inputs.head(head, size: size, rows, context).widened(n, m, size, &free)
            let share = dy.advanced(rows: rows.lowerBound, columns: head * size).copy(n, size, &free, read: true)
            let dq = target.query.copy(n, size, &free, read: false)
            let dk = target.key.copy(m, size, &free, read: false)
            let dv = target.value.copy(m, size, &free, read: false)
            ck_attention_backward(
                dq.pointer, dk.pointer, dv.pointer, share.pointer, Int64(share.stride),
                probabilities.pointer + block, single.kernelInputs(isCausal: isCausal), 1 / Float(size).squareRoot(),
                Int64(n), Int64(m),
                Int64(size), scratch)
            target.query.store(dq, n, size)
            target.key.store(dk, m, size)
            target.value.store(dv, m, size)
        }
    }

    /// Runs `body(rows of the queries, rows of the keys, head, start of its probabilities, scratch)` for every head of
    /// `size` channels of every jet that has both queries and keys. A thread takes whole jets: the result for a jet
    /// does not depend on the others.
    private func forEachHead(
        size: Int, copies: Int, _ body: (Range<Int>, Range<Int>, Int, Int, UnsafeMutablePointer<Float>) -> Void
    ) {
        let floats = scratch(size: size) + copies
        parallel(queries.jets) { jets in
            let scratch = Tensor(shape: [floats])
            withExtendedLifetime(scratch) {
                for jet in jets where !queries[jet].isEmpty && !keys[jet].isEmpty {
                    for head in 0..<heads {
                        body(queries[jet], keys[jet], head, starts[jet] + head * sizes[jet], scratch.pointer)
                    }
                }
            }
        }
    }

    private func scratch(size: Int) -> Int {
        Int(ck_attention_scratch(Int64(longest.queries), Int64(longest.keys), Int64(size)))
    }
}
