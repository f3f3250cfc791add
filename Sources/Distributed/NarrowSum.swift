internal import CKernels
import MPI
import Tensors

/// A sum over the ranks on its way, that travels as bfloat16 numbers: `parallel.reduce_precision`.
///
/// Every rank receives one part of the shares of all, adds them in single precision, in the order of the ranks, and gives
/// the sum of its part to all. So a number is rounded twice, when it leaves and as a sum, for any number of ranks, and the
/// sum is the same on all.
package final class NarrowSum {
    /// Collectives start in one order on all ranks only where each kind has a communicator of its own.
    package struct Communicators {
        package let exchange: Communicator
        package let gather: Communicator
    }

    private let shares: UnsafeMutableBufferPointer<Float>
    private let communicators: Communicators
    private var pending: PendingReduction<Message<UInt16>>?
    private let message: Message<UInt16>
    private(set) var isGathering = false

    /// Sends the shares of this rank; their memory outlives the sum, which takes their place. Throws `MPIError`.
    package init(_ shares: UnsafeMutableBufferPointer<Float>, on communicators: Communicators) throws {
        (self.shares, self.communicators) = (shares, communicators)
        let ranks = communicators.exchange.size
        message = Message(count: (shares.count + ranks - 1) / ranks * ranks)
        let count = Int64(shares.count)
        ck_narrow(message.elements.baseAddress!, count, shares.baseAddress!, count, 1, count)
        pending = try communicators.exchange.startExchangeWithAll(message)
    }

    /// Moves it on; returns whether the sum is in place. Throws `MPIError`.
    ///
    /// - Parameters:
    ///   - mayGather: whether all sums that were started before have begun to gather.
    ///   - waits: whether to wait for the part of the way that it is on.
    package func advance(mayGather: Bool, waits: Bool = false) throws -> Bool {
        guard let pending else { return true }
        if waits { _ = try pending.wait() }
        guard try pending.test() else { return false }
        if isGathering {
            let count = Int64(shares.count)
            ck_widen(shares.baseAddress!, count, message.elements.baseAddress!, count, 1, count)
            self.pending = nil
            return true
        }
        guard mayGather else { return false }
        addParts()
        self.pending = try communicators.gather.startAllGather(message)
        isGathering = true
        return false
    }

    /// Gives the sum up, for when an error is about to end the job.
    package func abandon() { pending?.abandon() }

    private func addParts() {
        let (ranks, rank) = (communicators.gather.size, communicators.gather.rank)
        let (parts, width) = (message.elements.baseAddress!, message.elements.count / ranks)
        let sum = Tensor(repeating: 0, shape: [width])
        ck_narrow_column_sum(sum.pointer, parts, Int64(ranks), Int64(width))
        ck_narrow(parts + rank * width, Int64(width), sum.pointer, Int64(width), 1, Int64(width))
    }
}
