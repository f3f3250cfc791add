import MPI
import System
import Tensors

/// Adds the gradients of virtual shards in one fixed binary tree, first those of a rank, then over the ranks.
///
/// Shards 0 and 1 are added, 2 and 3, then both sums, and so on. As a + b = b + a to the bit, two ranks that
/// exchange their sums and add them agree; a rank with two shards has the same sum.
/// Over the ranks each pair exchanges halves, quarters, …, and then gathers the results (Rabenseifner's
/// algorithm): every element is added once, and a rank sends no more than twice the gradient.
package final class FixedTreeSum {
    private let gradients: Tensor
    private let communicator: Communicator
    /// Sums of 2^level shards that wait for their neighbour, the highest level first.
    private var partial: [(level: Int, sum: Tensor)] = []
    private lazy var received = Tensor(shape: [(gradients.count + 1) / 2])
    /// The time spent in `finish`.
    package private(set) var exposed = Duration.zero

    /// - Parameter gradients: where every shard leaves its gradient, and the sum is found in the end. The number
    ///   of shards of a rank and that of the ranks are powers of two.
    package init(_ gradients: Tensor, on communicator: Communicator) {
        invariant(communicator.size.nonzeroBitCount == 1, "\(communicator.size) ranks are no power of two")
        self.gradients = gradients
        self.communicator = communicator
    }

    /// Takes the gradient of the next shard of this rank.
    package func add(isLast: Bool) {
        var level = 0
        while let neighbour = partial.last, neighbour.level == level {
            gradients.add(neighbour.sum)
            partial.removeLast()
            level += 1
        }
        if !isLast { partial.append((level, gradients.copy())) }
    }

    /// Adds the sums of all ranks; collective. Throws `MPIError`.
    package func finish() throws {
        invariant(partial.isEmpty, "the number of shards of a rank is no power of two")
        let begin = ContinuousClock.now
        defer { exposed += begin.duration(to: .now) }
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

    private func buffer(_ range: Range<Int>) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: gradients.buffer[range])
    }
}
