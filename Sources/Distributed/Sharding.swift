import MPI
import System

/// How the jets of a global batch are cut into the parts that are summed, and how the sums go over the ranks.
///
/// Usually every rank's share is one part. A deterministic run cuts the batch into a fixed number of virtual
/// shards, of which every rank has as many, and adds whatever came out of them in one fixed binary tree: the
/// same numbers are added in the same order whether one rank has all shards or each has one.
package struct Sharding {
    package let isDeterministic: Bool
    private let communicator: Communicator
    private let shards: Int

    /// Throws `KaonError` when the ranks cannot share the virtual shards evenly.
    ///
    /// - Parameter virtualShards: the number of virtual shards of a deterministic run; nil for one share a rank.
    package init(virtualShards: Int?, on communicator: Communicator) throws {
        self.communicator = communicator
        isDeterministic = virtualShards != nil
        shards = virtualShards ?? communicator.size
        if shards % communicator.size != 0 {
            throw KaonError(
                "parallel.deterministic: \(communicator.size) ranks cannot share \(shards) virtual shards evenly; "
                    + "start a number of ranks that divides parallel.virtual_shards")
        }
    }

    /// Where the shards of this rank lie in its share of a global batch of `count` jets.
    package func ranges(ofBatch count: Int) -> [Range<Int>] {
        let each = shards / communicator.size
        let first = communicator.share(of: count).lowerBound
        return (communicator.rank * each..<(communicator.rank + 1) * each).map {
            let range = Communicator.share(of: count, rank: $0, size: shards)
            return range.lowerBound - first..<range.upperBound - first
        }
    }

    /// The sum over the shards of all ranks; every rank gives those of its own. Collective.
    package func sum(_ parts: [[Double]]) throws -> [Double] {
        guard isDeterministic else { return try communicator.allReduce(parts[0]) }
        let width = parts[0].count
        let all = try communicator.allGather(parts.flatMap { $0 }).flatMap { $0 }
        var sums = (0..<shards).map { Array(all[$0 * width..<($0 + 1) * width]) }
        while sums.count > 1 {
            sums = stride(from: 0, to: sums.count, by: 2).map { pair in
                zip(sums[pair], sums[pair + 1]).map { $0 + $1 }
            }
        }
        return sums[0]
    }
}
