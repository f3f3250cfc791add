import MPI
import System

/// Division of a global batch into shards that are summed separately, and the sum of numbers over the shards.
///
/// By default each rank's share of the batch is one shard. In a deterministic run, the batch has a fixed number of
/// virtual shards, the same number on each rank, whose results are added in one fixed binary tree: the order of
/// additions does not depend on the number of ranks.
package struct Sharding {
    private let communicator: Communicator
    /// True if the shards do not depend on the number of ranks.
    package let isDeterministic: Bool
    private let shards: Int

    /// Throws `KaonError` where the virtual shards cannot be divided evenly among the ranks.
    ///
    /// - Parameter virtualShards: number of virtual shards of a deterministic run; nil for one shard per rank.
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

    /// The shards of this rank, as ranges within its share of a global batch of `count` jets.
    package func ranges(ofBatch count: Int) -> [Range<Int>] {
        let shardsPerRank = shards / communicator.size
        let first = communicator.share(of: count).lowerBound
        return (communicator.rank * shardsPerRank..<(communicator.rank + 1) * shardsPerRank).map {
            let range = Communicator.share(of: count, rank: $0, size: shards)
            return range.lowerBound - first..<range.upperBound - first
        }
    }

    /// The most jets of a shard if all shards of a global batch of `count` jets have as many as possible.
    package func shardSize(ofBatch count: Int) -> Int { (count + shards - 1) / shards }

    /// The element-wise sum over the shards of all ranks; collective. Throws `MPIError`.
    ///
    /// - Parameter parts: one array for each shard of this rank, all of the same length.
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
