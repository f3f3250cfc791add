internal import CKernels

/// A part of the attention of a jet that one thread computes.
struct AttentionTask {
    /// Parts of long sets: the whole of some heads, a tile of queries with all keys, or of keys with all queries.
    enum Kind {
        case heads, queries, keys
    }

    let jet: Int
    var heads: Range<Int>
    var queries: Range<Int>
    var keys: Range<Int>

    /// The time relative to that of other tasks.
    var cost: Int { heads.count * queries.count * keys.count }

    /// The parts of a jet.
    func divided(_ kind: Kind) -> [AttentionTask] {
        heads.flatMap { head in
            var part = self
            part.heads = head..<head + 1
            return switch kind {
            case .heads: [part]
            case .queries:
                queries.divided(by: Int(CK_ATTENTION_QUERIES)).map {
                    part.queries = $0
                    return part
                }
            case .keys:
                keys.divided(by: Int(CK_ATTENTION_KEYS)).map {
                    part.keys = $0
                    return part
                }
            }
        }
    }
}

extension Range<Int> {
    /// Consecutive ranges of at most `size` elements.
    fileprivate func divided(by size: Int) -> [Range<Int>] {
        stride(from: lowerBound, to: upperBound, by: size).map { $0..<Swift.min($0 + size, upperBound) }
    }
}
