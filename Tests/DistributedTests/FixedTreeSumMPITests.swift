import Distributed
import MPI
import RunSupport
import Tensors
import TestSupport
import Testing

/// The sum of the gradients of shards is bit-identical for any number of ranks.
@Suite(.serialized) struct FixedTreeSumMPITests {
    /// Gradient of a shard: numbers of very different magnitude, whose sum depends on the order of additions.
    private func gradient(_ shard: Int, count: Int) -> [Float] {
        var random = RandomSequence(RandomKey(seed: UInt64(shard), stream: .sampling))
        return (0..<count).map { _ in random.normal() * Float(1 << random.below(24)) }
    }

    /// The sum by definition: neighbouring shards are added first, then neighbouring sums.
    private func expected(shards: Int, count: Int) -> [Float] {
        var sums = (0..<shards).map { gradient($0, count: count) }
        while sums.count > 1 {
            sums = stride(from: 0, to: sums.count, by: 2).map { pair in
                zip(sums[pair], sums[pair + 1]).map { $0 + $1 }
            }
        }
        return sums[0]
    }

    private func sum(shards: Int, count: Int, on communicator: Communicator) throws -> [Float] {
        let store = parameters([[count]])
        let tree = FixedTreeSum(store, on: communicator)
        let own = shards / communicator.size
        // Twice: a step must not contribute to the next.
        for _ in 0..<2 {
            for index in 0..<own {
                store.resetGradients()
                tree.begin(frozenGroups: [])
                let values = gradient(communicator.rank * own + index, count: count)
                store.parameters[0].variable.add(gradient: Tensor(values, shape: [count]))
                tree.endShard(isLast: index == own - 1)
            }
            try tree.finish()
        }
        return store.gradients.array
    }

    @Test(arguments: [1, 2, 4, 8, 16], [1, 2, 3, 64, 1001])
    func oneRankAddsInTheTree(shards: Int, count: Int) throws {
        #expect(try sum(shards: shards, count: count, on: alone) == expected(shards: shards, count: count))
    }

    /// The sum of these numbers depends on the order, which the other tests rely on.
    @Test func anotherOrderGivesAnotherSum() {
        var inARow = [Float](repeating: 0, count: 1001)
        for shard in 0..<8 { inARow = zip(inARow, gradient(shard, count: 1001)).map { $0 + $1 } }
        #expect(inARow != expected(shards: 8, count: 1001))
    }

    /// Also with fewer elements than ranks. Requires a power of two of ranks.
    @Test(.enabled(if: world.size.nonzeroBitCount == 1), arguments: [8, 16], [1, 2, 3, 64, 1001])
    func theRanksAddInTheSameTree(shards: Int, count: Int) throws {
        #expect(try sum(shards: shards, count: count, on: world) == expected(shards: shards, count: count))
    }
}
