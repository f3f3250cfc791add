import MPI

/// Sums gradients in single precision by one non-blocking all-reduce for each message.
final class SinglePrecisionTransport: GradientTransport {
    private let communicator: Communicator
    private var pending: ArraySlice<PendingReduction<GradientMessage>> = []

    init(on communicator: Communicator) { self.communicator = communicator }

    var inFlight: Int { pending.count }

    func start(_ message: GradientMessage) throws { pending.append(try communicator.startAllReduce(message)) }

    func advance(waits: Bool) throws -> Int {
        if waits, let first = pending.first { _ = try first.wait() }
        // Open MPI advances messages only inside its calls.
        for reduction in pending { _ = try reduction.test() }
        var summed = 0
        while let first = pending.first, try first.test() {
            pending.removeFirst()
            summed += 1
        }
        return summed
    }

    func abandon() {
        for reduction in pending { reduction.abandon() }
        pending = []
    }
}
