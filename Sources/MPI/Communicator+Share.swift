import System

extension Communicator {
    /// The part of `count` items that belongs to `rank` of `size`: contiguous, and even to within one item.
    package static func share(of count: Int, rank: Int, size: Int) -> Range<Int> {
        invariant(rank >= 0 && rank < size, "rank \(rank) of \(size)")
        return count * rank / size..<count * (rank + 1) / size
    }

    /// The part of `count` items that belongs to this rank.
    package func share(of count: Int) -> Range<Int> { Self.share(of: count, rank: rank, size: size) }
}
