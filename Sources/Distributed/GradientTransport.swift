import MPI
import Tensors

/// Sums messages over the ranks, in the order in which they were started, several at a time.
package protocol GradientTransport: AnyObject {
    /// Number of messages that have been started and not yet summed.
    var inFlight: Int { get }

    /// Starts the sum of a message, in place. Throws `MPIError`.
    func start(_ message: GradientMessage) throws

    /// Advances the messages in flight, and returns how many have been summed since the last call. Throws `MPIError`.
    ///
    /// - Parameter waits: true to block until the oldest message has completed the exchange that it is in.
    func advance(waits: Bool) throws -> Int

    /// Gives up all messages in flight, before an error ends the job.
    func abandon()
}

/// Part of the flat gradient buffer that is summed by one message.
package final class GradientMessage: MessageBuffer {
    package let elements: UnsafeMutableBufferPointer<Float>
    private let storage: Tensor  // keeps the memory alive

    init(_ storage: Tensor, elements range: Range<Int>) {
        self.storage = storage
        elements = UnsafeMutableBufferPointer(rebasing: storage.buffer[range])
    }
}

/// The transport for a number format; collective. Throws `MPIError`.
package func makeTransport(_ precision: Precision, on communicator: Communicator) throws -> any GradientTransport {
    switch precision {
    case .single: SinglePrecisionTransport(on: communicator)
    case .bfloat16: try BFloat16Transport(on: communicator)
    }
}
