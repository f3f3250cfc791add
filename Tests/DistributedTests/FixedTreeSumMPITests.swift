import Distributed
import MPI
import RunSupport
import Tensors
import Testing
import TestSupport

/// The sum of the gradients of shards is the same to the bit, however many ranks share them.
@Suite(.serialized) struct FixedTreeSumMPITests {
    /// The gradient of a shard: numbers of very different size, whose sum depends on the order.
    private func gradient(_ shard: Int, count: Int) -> [Float] {
        var random = RandomSequence(RandomKey(seed: UInt64(shard), stream: .sampling))
        return (0..<count).map { _ in random.normal() * Float(1 << random.below(24)) }
    }

    /// The sum in the tree, as its definition says: neighbours first, then neighbouring sums.
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
        // More than once: what a step leaves behind must not enter the next.
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

    /// The order does matter to these numbers, or the other tests would show nothing.
    @Test func anotherOrderGivesAnotherSum() {
        var inARow = [Float](repeating: 0, count: 1001)
        for shard in 0..<8 { inARow = zip(inARow, gradient(shard, count: 1001)).map { $0 + $1 } }
        #expect(inARow != expected(shards: 8, count: 1001))
    }

    /// Also where there are fewer elements than ranks, so that some have none to add.
    // Three ranks share no tree.
    @Test(.enabled(if: world.size.nonzeroBitCount == 1), arguments: [8, 16], [1, 2, 3, 64, 1001])
    func theRanksAddInTheSameTree(shards: Int, count: Int) throws {
        #expect(try sum(shards: shards, count: count, on: world) == expected(shards: shards, count: count))
    }
}
