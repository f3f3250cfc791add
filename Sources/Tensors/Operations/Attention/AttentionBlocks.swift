internal import CKernels

/// Where the probabilities of each jet, [heads, keys, queries padded to 16], begin in one flat buffer.
struct AttentionBlocks {
    private let queries: Offsets
    private let keys: Offsets
    private let heads: Int
    /// Per jet: the first element, and the elements of one head.
    private let starts: [Int]
    private let sizes: [Int]
    /// All elements.
    let count: Int
    /// Σ heads · queries · keys, for counting operations.
    let products: Int
    /// The most queries and keys of a jet.
    private let longest: (queries: Int, keys: Int)

    init(queries: Offsets, keys: Offsets, heads: Int) {
        (self.queries, self.keys, self.heads) = (queries, keys, heads)
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

    /// Runs `body(rows of the queries, rows of the keys, head, start of its probabilities, scratch)` for
    /// every jet that has both and every head of `size` channels; a thread takes whole jets, so that what it
    /// computes does not depend on the others.
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

    /// The attended values of every head of `size` channels, and its probabilities.
    ///
    /// Heads of bfloat16 numbers are computed in single precision, on copies.
    func attend(_ inputs: AttentionInputs, size: Int, probabilities: Tensor, into y: Matrix) {
        let copies = y.isNarrow ? 2 * (longest.queries + longest.keys) * size : 0
        forEachHead(size: size, copies: copies) { rows, context, head, block, scratch in
            let part = inputs.head(head, size: size, rows, context)
            var free = scratch + self.scratch(size: size)
            let result = y.advanced(rows: rows.lowerBound, columns: head * size)
            let single = part.widened(rows.count, context.count, size, &free)
            let attended = result.copy(rows.count, size, &free, read: false)
            ck_attention(
                attended.pointer, Int64(attended.stride), probabilities.pointer + block, single.inC,
                1 / Float(size).squareRoot(), Int64(rows.count), Int64(context.count), Int64(size), scratch)
            result.store(attended, rows.count, size)
        }
    }

    /// The gradients of the inputs of `attend`; they are overwritten.
    func propagate(
        _ dy: Matrix, through inputs: AttentionInputs, size: Int, probabilities: Tensor,
        into gradients: AttentionInputs
    ) {
        let copies = dy.isNarrow ? (3 * longest.queries + 4 * longest.keys) * size : 0
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
                probabilities.pointer + block, single.inC, 1 / Float(size).squareRoot(), Int64(n), Int64(m),
                Int64(size), scratch)
            target.query.store(dq, n, size)
            target.key.store(dk, m, size)
            target.value.store(dv, m, size)
        }
    }
}

/// Queries, keys and values of all heads, side by side; or their gradients. Keys and values have one stride.
struct AttentionInputs {
    var query: Matrix
    var key: Matrix
    var value: Matrix

    /// One head of one jet.
    fileprivate func head(_ head: Int, size: Int, _ rows: Range<Int>, _ context: Range<Int>) -> AttentionInputs {
        AttentionInputs(
            query: query.advanced(rows: rows.lowerBound, columns: head * size),
            key: key.advanced(rows: context.lowerBound, columns: head * size),
            value: value.advanced(rows: context.lowerBound, columns: head * size))
    }

    /// The same in single precision, for n queries and m keys.
    fileprivate func widened(
        _ n: Int, _ m: Int, _ size: Int, _ free: inout UnsafeMutablePointer<Float>
    ) -> AttentionInputs {
        AttentionInputs(
            query: query.copy(n, size, &free, read: true), key: key.copy(m, size, &free, read: true),
            value: value.copy(m, size, &free, read: true))
    }

    fileprivate var inC: ck_attention_inputs {
        ck_attention_inputs(
            q: query.pointer, k: key.pointer, v: value.pointer, q_stride: Int64(query.stride),
            kv_stride: Int64(key.stride))
    }
}

extension Matrix {
    /// The matrix itself where it is of single precision, else a place for its rows in free memory, with their values in
    /// it if they are to be `read`.
    fileprivate func copy(
        _ rows: Int, _ columns: Int, _ free: inout UnsafeMutablePointer<Float>, read: Bool
    ) -> Matrix {
        guard isNarrow else { return self }
        defer { free += rows * columns }
        if read { ck_widen(free, Int64(columns), narrowPointer, Int64(stride), Int64(rows), Int64(columns)) }
        return Matrix(free, stride: columns)
    }

    /// Takes the values of a copy that was written.
    fileprivate func store(_ copy: Matrix, _ rows: Int, _ columns: Int) {
        guard isNarrow else { return }
        ck_narrow(
            narrowPointer, Int64(stride), copy.pointer, Int64(copy.stride), Int64(rows), Int64(columns))
    }
}
