import MPI
import NN
import System
import Tensors

/// Adds the gradients of shards in one fixed binary tree, first within a rank, then over the ranks.
///
/// Shards 0 and 1 are added, 2 and 3, then these sums, and so on. Since a + b = b + a bit for bit, two ranks that
/// exchange their sums and add them get the same result, which is also that of one rank with both shards. Over the
/// ranks, each pair exchanges halves, then quarters, …, and gathers the results in reverse (Rabenseifner's algorithm):
/// each element is added once, and a rank sends at most twice the size of the gradients.
package final class FixedTreeSum: GradientSum {
    private let store: ParameterStore
    private let communicator: Communicator
    /// Sums of 2^level shards that have no neighbour to be added to yet, the highest level first.
    private var partial: [(level: Int, sum: Tensor)] = []
    private lazy var received = Tensor(shape: [(gradients.count + 1) / 2])

    private var gradients: Tensor { store.gradients }

    /// The number of ranks, and that of the shards of a rank, are powers of two.
    package init(_ store: ParameterStore, on communicator: Communicator) {
        invariant(communicator.size.nonzeroBitCount == 1, "\(communicator.size) ranks are not a power of two")
        self.store = store
        self.communicator = communicator
    }

    /// Gradients of frozen groups are summed too; they are zero.
    package func begin(frozenGroups: Set<Int>) {}

    package func gradientIsComplete(_ variable: Variable) {}

    package func endShard(isLast: Bool) {
        store.zeroUnusedGradients()
        var level = 0
        while let neighbour = partial.last, neighbour.level == level {
            gradients.add(neighbour.sum)
            partial.removeLast()
            level += 1
        }
        if !isLast { partial.append((level, gradients.copy())) }
    }

    package func finish() throws {
        invariant(partial.isEmpty, "the number of shards of a rank is not a power of two")
        var range = 0..<gradients.count
        var exchanged: [(partner: Int, kept: Range<Int>, given: Range<Int>)] = []
        var distance = 1
        while distance < communicator.size {
            let middle = range.lowerBound + range.count / 2
            let halves = (range.lowerBound..<middle, middle..<range.upperBound)
            let partner = communicator.rank ^ distance
            let (kept, given) = communicator.rank & distance == 0 ? halves : (halves.1, halves.0)
            let other = received.slice(0..<kept.count, shape: [kept.count])
            try communicator.exchange(sending: buffer(given), receiving: other.buffer, with: partner)
            gradients.slice(kept, shape: [kept.count]).add(other)
            exchanged.append((partner, kept, given))
            range = kept
            distance *= 2
        }
        for (partner, kept, given) in exchanged.reversed() {
            try communicator.exchange(sending: buffer(kept), receiving: buffer(given), with: partner)
        }
    }

    /// That of rank 0, because the order of additions depends on the number of threads, which ranks may differ in.
    package func sumOfSquares() throws -> Double { try communicator.broadcast([gradients.sumOfSquares])[0] }

    private func buffer(_ range: Range<Int>) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: gradients.buffer[range])
    }
}
