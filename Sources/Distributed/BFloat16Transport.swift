internal import CKernels
import MPI
import Tensors

/// Sums gradients that travel as bfloat16 numbers: `parallel.reduce_precision: bf16`.
///
/// Each rank receives one part of the message from all ranks, adds them in single precision in the order of the ranks,
/// and sends the sum of its part to all. A number is thus rounded twice, before it is sent and as a sum, whatever the
/// number of ranks, and the sum is the same on all ranks.
final class BFloat16Transport: GradientTransport {
    /// Ranks must start collectives of one communicator in the same order, so each kind has a communicator of its own.
    fileprivate struct Communicators {
        let exchange: Communicator
        let gather: Communicator
    }

    private let communicators: Communicators
    private var pending: ArraySlice<BFloat16Sum> = []

    /// Collective. Throws `MPIError`.
    init(on communicator: Communicator) throws {
        communicators = Communicators(exchange: try communicator.duplicate(), gather: try communicator.duplicate())
    }

    var inFlight: Int { pending.count }

    func start(_ message: GradientMessage) throws { pending.append(try BFloat16Sum(message, on: communicators)) }

    func advance(waits: Bool) throws -> Int {
        var summed = 0
        if waits, let first = pending.first, try first.advance(mayGather: true, waits: true) {
            pending.removeFirst()
            summed += 1
        }
        // All ranks gather in the order of the messages.
        for (index, sum) in zip(pending.indices, pending) {
            _ = try sum.advance(mayGather: index == pending.startIndex || pending[index - 1].isGathering)
        }
        while let first = pending.first, try first.advance(mayGather: true) {
            pending.removeFirst()
            summed += 1
        }
        return summed
    }

    func abandon() {
        for sum in pending { sum.abandon() }
        pending = []
    }
}

/// Sum of one message: an all-to-all exchange of the parts, then an all-gather of their sums.
private final class BFloat16Sum {
    private let gradients: GradientMessage
    private let communicators: BFloat16Transport.Communicators
    private let message: Message<UInt16>
    private var pending: PendingReduction<Message<UInt16>>?
    private(set) var isGathering = false

    /// Starts the exchange. Throws `MPIError`.
    init(_ gradients: GradientMessage, on communicators: BFloat16Transport.Communicators) throws {
        (self.gradients, self.communicators) = (gradients, communicators)
        let ranks = communicators.exchange.size
        let elements = gradients.elements
        message = Message(count: (elements.count + ranks - 1) / ranks * ranks)
        let count = Int64(elements.count)
        ck_narrow(message.elements.baseAddress!, count, elements.baseAddress!, count, 1, count)
        pending = try communicators.exchange.startExchangeWithAll(message)
    }

    /// Advances the sum; returns true once it is in place. Throws `MPIError`.
    ///
    /// - Parameters:
    ///   - mayGather: true if all messages before this one have started to gather.
    ///   - waits: true to block until the current collective has completed.
    func advance(mayGather: Bool, waits: Bool = false) throws -> Bool {
        guard let pending else { return true }
        if waits { _ = try pending.wait() }
        guard try pending.test() else { return false }
        if isGathering {
            let count = Int64(gradients.elements.count)
            ck_widen(gradients.elements.baseAddress!, count, message.elements.baseAddress!, count, 1, count)
            self.pending = nil
            return true
        }
        guard mayGather else { return false }
        addParts()
        self.pending = try communicators.gather.startAllGather(message)
        isGathering = true
        return false
    }

    /// Gives the sum up, before an error ends the job.
    func abandon() { pending?.abandon() }

    /// Adds the parts of all ranks in single precision.
    private func addParts() {
        let (ranks, rank) = (communicators.gather.size, communicators.gather.rank)
        let (parts, width) = (message.elements.baseAddress!, message.elements.count / ranks)
        let sum = Tensor(repeating: 0, shape: [width])
        ck_narrow_column_sum(sum.pointer, parts, Int64(ranks), Int64(width))
        ck_narrow(parts + rank * width, Int64(width), sum.pointer, Int64(width), 1, Int64(width))
    }
}
