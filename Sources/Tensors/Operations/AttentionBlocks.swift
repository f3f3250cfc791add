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
    func forEachHead(
        size: Int, _ body: (Range<Int>, Range<Int>, Int, Int, UnsafeMutablePointer<Float>) -> Void
    ) {
        let floats = Int(ck_attention_scratch(Int64(longest.queries), Int64(longest.keys), Int64(size)))
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
}
