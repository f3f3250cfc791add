import System

extension Communicator {
    /// The range of `count` items that `rank` of `size` ranks handles; the lengths differ by at most one.
    package static func share(of count: Int, rank: Int, size: Int) -> Range<Int> {
        invariant(rank >= 0 && rank < size, "there is no rank \(rank) among \(size) ranks")
        return count * rank / size..<count * (rank + 1) / size
    }

    /// The range of `count` items that this rank handles.
    package func share(of count: Int) -> Range<Int> { Self.share(of: count, rank: rank, size: size) }
}
