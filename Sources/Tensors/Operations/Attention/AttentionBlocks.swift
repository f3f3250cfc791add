internal import CKernels

// T queries, S keys, H heads, D channels per head, C = H D; per jet of n queries and m keys and per head
//
//   S = Q Kᵀ / √D + B [n, m]      P = softmax(S)      y = P V
//   dV = Pᵀ dy      dP = dy Vᵀ      dB = P ⊙ (dP − Σ P ⊙ dP)      dQ = dB K / √D      dK = dBᵀ Q / √D
//
// With dropout of the weights, y = dropout(P) V, dV = dropout(P)ᵀ dy and dP = dropout(dy Vᵀ).

/// Attention of every head of every jet.
///
/// Short sets keep their probabilities for the backward pass. For long sets these would be the largest tensors of a
/// model; they are computed in tiles (arXiv:2205.14135), and what is kept is the logarithm of the softmax's denominator
/// of each query.
struct AttentionBlocks {
    /// Sets with at least this many pairs of a query and a key are computed in tiles, which takes less memory and time.
    static let tiledPairs = 256 * 256

    private let queries: Offsets
    private let keys: [Range<Int>]
    private let heads: Int
    private let isCausal: Bool
    private let dropout: AttentionDropout?
    /// True for each jet that is computed in tiles.
    private let isTiled: [Bool]
    /// The first element of each jet in what is kept, and the elements of one of its heads.
    private let starts: [Int]
    private let sizes: [Int]
    /// The number of elements that are kept.
    let count: Int
    /// Σ heads · queries · keys, for counting operations; half of that if attention is causal.
    let products: Int
    /// The largest numbers of queries and keys of a jet that is not computed in tiles.
    private let longest: (queries: Int, keys: Int)

    /// - Parameters:
    ///   - keys: the rows of the keys of each jet.
    ///   - isCausal: true if query i of a jet attends to keys j ≤ i alone.
    ///   - tiledPairs: nil for the usual value. Sets with dropout are not computed in tiles.
    init(
        queries: Offsets, keys: [Range<Int>], heads: Int, isCausal: Bool = false, dropout: AttentionDropout? = nil,
        tiledPairs: Int? = nil
    ) {
        (self.queries, self.keys, self.heads, self.isCausal) = (queries, keys, heads, isCausal)
        self.dropout = dropout
        let tiledPairs = dropout == nil ? tiledPairs ?? Self.tiledPairs : .max
        var (isTiled, starts, sizes) = ([Bool](), [Int](), [Int]())
        var (total, products, longest) = (0, 0, (queries: 0, keys: 0))
        for jet in 0..<queries.jets {
            let (n, m) = (queries[jet].count, keys[jet].count)
            let tiled = n * m >= tiledPairs
            isTiled.append(tiled)
            starts.append(total)
            sizes.append(tiled ? n : ScoreLayout.size(queries: n, keys: m))
            total += heads * sizes[jet]
            products += heads * (isCausal ? n * (n + 1) / 2 : n * m)
            if !tiled { longest = (max(longest.queries, n), max(longest.keys, m)) }
        }
        (self.isTiled, self.starts, self.sizes) = (isTiled, starts, sizes)
        (self.products, self.longest) = (products, longest)
        count = total
    }

    /// Computes the attended values of every head of `size` channels, and what is kept for the gradient.
    func attend(
        _ inputs: AttentionOperands, size: Int, bias: ScoreBias? = nil, kept: Tensor, into y: HeadColumns
    ) {
        let floats = max(
            scratch(size: size, copies: y.isBFloat16 ? 2 * (longest.queries + longest.keys) * size : 0),
            isTiled.contains(true) ? Int(ck_tiled_attention_scratch(Int64(size))) : 0)
        run(tasks(of: .queries), floats: floats) { task, scratch in
            for head in task.heads {
                if isTiled[task.jet] {
                    let place = starts[task.jet] + head * sizes[task.jet]
                    ck_tiled_attention(
                        y.head(head, size: size, rows: queries[task.jet]), kept.pointer + place,
                        tiledInputs(inputs, bias, task.jet, head, size), Int64(task.queries.lowerBound),
                        Int64(task.queries.count), scratch)
                } else {
                    attend(inputs, task.jet, head, size: size, bias: bias, kept: kept, into: y, scratch)
                }
            }
        }
    }

    /// Overwrites the gradients of the inputs of `attend`, and adds to that of the bias.
    ///
    /// - Parameter y: the result of `attend`.
    func propagate(
        _ dy: HeadColumns, through inputs: AttentionOperands, size: Int, bias: ScoreBias? = nil, kept: Tensor,
        _ y: HeadColumns, into gradients: AttentionOperands, biasGradient: ScoreBias? = nil
    ) {
        let simple = scratch(
            size: size, copies: dy.isBFloat16 ? (3 * longest.queries + 4 * longest.keys) * size : 0)
        let longTiled = (0..<queries.jets).reduce(0) { isTiled[$1] ? max($0, queries[$1].count) : $0 }
        // Whole heads take 5 products. Where they are too few for the threads, the sums over keys and those over
        // queries are computed one after the other, with 7 products. The bits are the same.
        let tiledHeads = isTiled.reduce(0) { $1 ? $0 + heads : $0 }
        let threads = ThreadPool.shared.threads
        let passes: [AttentionTask.Kind] =
            tiledHeads == 0 || threads == 1 || tiledHeads >= 4 * threads ? [.heads] : [.queries, .keys]
        for pass in passes {
            let block = pass == .queries ? Int(CK_ATTENTION_QUERIES) : longTiled
            let tiled = Int(ck_tiled_attention_backward_scratch(Int64(block), Int64(size)))
            run(tasks(of: pass), floats: max(simple, longTiled > 0 ? tiled : 0)) { task, scratch in
                for head in task.heads {
                    guard isTiled[task.jet] else {
                        propagate(
                            dy, through: inputs, task.jet, head, size: size, bias: bias, kept: kept, into: gradients,
                            biasGradient: biasGradient, scratch)
                        continue
                    }
                    let (rows, context) = (queries[task.jet], keys[task.jet])
                    let target = gradients.head(head, size: size, rows, context)
                    let out = ck_tiled_gradients(
                        dq: pass == .keys ? ck_matrix() : target.query.matrix,
                        dk: pass == .queries ? ck_matrix() : target.key.matrix,
                        dv: pass == .queries ? ck_matrix() : target.value.matrix,
                        dbias: pass == .queries ? nil : biasGradient?.head(head, of: task.jet))
                    ck_tiled_attention_backward(
                        out, dy.head(head, size: size, rows: rows), y.head(head, size: size, rows: rows),
                        kept.pointer + starts[task.jet] + head * sizes[task.jet],
                        tiledInputs(inputs, bias, task.jet, head, size), ck_tile_range(task.queries),
                        ck_tile_range(task.keys), scratch)
                }
            }
        }
    }

    /// The work of a pass over all jets: whole short sets, and heads of long ones or tiles of them.
    private func tasks(of kind: AttentionTask.Kind) -> [AttentionTask] {
        var tasks: [AttentionTask] = []
        for jet in 0..<queries.jets where !queries[jet].isEmpty && !keys[jet].isEmpty {
            let whole = AttentionTask(
                jet: jet, heads: 0..<heads, queries: 0..<queries[jet].count, keys: 0..<keys[jet].count)
            if isTiled[jet] {
                tasks += whole.divided(kind)
            } else if kind != .keys {
                tasks.append(whole)
            }
        }
        return tasks
    }

    /// Runs `body(task, scratch)` for all tasks, with some floats of scratch memory.
    private func run(
        _ tasks: [AttentionTask], floats: Int, _ body: (AttentionTask, UnsafeMutablePointer<Float>) -> Void
    ) {
        parallel(costs: tasks.map(\.cost)) { range in
            let scratch = Tensor(shape: [floats])
            withExtendedLifetime(scratch) {
                for task in tasks[range] { body(task, scratch.pointer) }
            }
        }
    }
}

/// Short sets. Heads of bfloat16 tensors are computed in single precision, on copies.
extension AttentionBlocks {
    private func scratch(size: Int, copies: Int) -> Int {
        Int(ck_attention_scratch(Int64(longest.queries), Int64(longest.keys), Int64(size))) + copies
    }

    private func attend(
        _ inputs: AttentionOperands, _ jet: Int, _ head: Int, size: Int, bias: ScoreBias?, kept: Tensor,
        into y: HeadColumns, _ scratch: UnsafeMutablePointer<Float>
    ) {
        let (rows, context) = (queries[jet], keys[jet])
        prefetchNext(jet, head, size: size, inputs)
        let part = inputs.head(head, size: size, rows, context)
        var free = scratch + self.scratch(size: size, copies: 0)
        let result = y.advanced(rows: rows.lowerBound, columns: head * size)
        let single = part.widened(rows.count, context.count, size, &free)
        let attended = result.copy(rows.count, size, &free, read: false)
        ck_attention(
            attended.pointer, Int64(attended.stride), kept.pointer + starts[jet] + head * sizes[jet],
            kernelInputs(single, jet, head, bias), 1 / Float(size).squareRoot(),
            Int64(rows.count), Int64(context.count), Int64(size), scratch)
        result.store(attended, rows.count, size)
    }

    private func propagate(
        _ dy: HeadColumns, through inputs: AttentionOperands, _ jet: Int, _ head: Int, size: Int, bias: ScoreBias?,
        kept: Tensor, into gradients: AttentionOperands, biasGradient: ScoreBias?,
        _ scratch: UnsafeMutablePointer<Float>
    ) {
        let (rows, context) = (queries[jet], keys[jet])
        let (n, m) = (rows.count, context.count)
        prefetchNext(jet, head, size: size, inputs, dy: dy, kept: kept)
        var free = scratch + self.scratch(size: size, copies: 0)
        let target = gradients.head(head, size: size, rows, context)
        let single = inputs.head(head, size: size, rows, context).widened(n, m, size, &free)
        let share = dy.advanced(rows: rows.lowerBound, columns: head * size).copy(n, size, &free, read: true)
        let dq = target.query.copy(n, size, &free, read: false)
        let dk = target.key.copy(m, size, &free, read: false)
        let dv = target.value.copy(m, size, &free, read: false)
        ck_attention_backward(
            dq.pointer, dk.pointer, dv.pointer, biasGradient?.head(head, of: jet), share.pointer,
            Int64(share.stride), kept.pointer + starts[jet] + head * sizes[jet],
            kernelInputs(single, jet, head, bias), 1 / Float(size).squareRoot(),
            Int64(n), Int64(m), Int64(size), scratch)
        target.query.store(dq, n, size)
        target.key.store(dk, m, size)
        target.value.store(dv, m, size)
    }

    private func kernelInputs(
        _ operands: AttentionOperands, _ jet: Int, _ head: Int, _ bias: ScoreBias?
    ) -> ck_attention_inputs {
        operands.kernelInputs(
            bias: bias?.head(head, of: jet), isCausal: isCausal,
            dropout: dropout?.kernelInputs(
                head: head, of: heads, query: queries[jet].lowerBound, queries: queries[jet].count))
    }

    /// Prefetches a part of what the next jet reads while a head is computed. A head reads a few columns of every row,
    /// which the prefetcher of the processor does not follow.
    private func prefetchNext(
        _ jet: Int, _ head: Int, size: Int, _ inputs: AttentionOperands, dy: HeadColumns? = nil, kept: Tensor? = nil
    ) {
        let next = jet + 1
        guard next < queries.jets, !isTiled[next] else { return }
        func part(_ range: Range<Int>) -> Range<Int> {
            range.lowerBound + range.count * head / heads..<range.lowerBound + range.count * (head + 1) / heads
        }
        let (rows, context) = (part(queries[next]), part(keys[next]))
        inputs.query.prefetch(rows, columns: heads * size)
        inputs.key.prefetch(context, columns: heads * size)
        inputs.value.prefetch(context, columns: heads * size)
        dy?.prefetch(rows, columns: heads * size)
        if let kept {
            let place = ck_matrix(
                values: kept.pointer + starts[next] + head * sizes[next], stride: 0, is_narrow: 0)
            ck_prefetch(place, 1, Int64(sizes[next]))
        }
    }

    private func tiledInputs(
        _ inputs: AttentionOperands, _ bias: ScoreBias?, _ jet: Int, _ head: Int, _ size: Int
    ) -> ck_tiled_inputs {
        let part = inputs.head(head, size: size, queries[jet], keys[jet])
        return ck_tiled_inputs(
            q: part.query.matrix, k: part.key.matrix, v: part.value.matrix,
            bias: bias.map { UnsafePointer($0.head(head, of: jet)) },
            bias_stride: Int64(ScoreLayout.stride(queries: queries[jet].count)), scale: 1 / Float(size).squareRoot(),
            m: Int64(keys[jet].count), d: Int64(size), is_causal: isCausal)
    }
}

extension ck_tile_range {
    fileprivate init(_ range: Range<Int>) {
        self.init(start: Int64(range.lowerBound), end: Int64(range.upperBound))
    }
}
