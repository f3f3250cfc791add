/// Arrangement of one value for each pair of a query and a key: for every jet `[heads, keys, queries padded to 16]`, the
/// jets one after the other.
struct ScoreLayout {
    /// The first element of each jet.
    private let starts: [Int]
    /// The elements of one head of each jet.
    private let sizes: [Int]
    /// The number of elements.
    let count: Int

    init(queries: Offsets, keys: Offsets, heads: Int) {
        sizes = (0..<queries.jets).map { Self.size(queries: queries[$0].count, keys: keys[$0].count) }
        var (starts, total) = ([Int](), 0)
        for size in sizes {
            starts.append(total)
            total += heads * size
        }
        (self.starts, count) = (starts, total)
    }

    /// The distance of consecutive keys.
    static func stride(queries: Int) -> Int { (queries + 15) / 16 * 16 }

    /// The elements of one head.
    static func size(queries: Int, keys: Int) -> Int { keys * stride(queries: queries) }

    /// The first element of a head of a jet.
    func place(ofHead head: Int, of jet: Int) -> Int { starts[jet] + head * sizes[jet] }
}

/// A bias of the scores of all heads, or its gradient.
struct ScoreBias {
    let values: Tensor
    let layout: ScoreLayout

    /// The values of one head of a jet; valid while the tensor exists.
    func head(_ head: Int, of jet: Int) -> UnsafeMutablePointer<Float> {
        values.pointer + layout.place(ofHead: head, of: jet)
    }
}
