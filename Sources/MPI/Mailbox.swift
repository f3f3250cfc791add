internal import COpenMPI
import System

/// Exchanges short messages of a fixed number of integers between ranks, without waiting for other ranks.
///
/// To be used by one thread of a rank. Other threads may use other communicators meanwhile if MPI provides
/// `MPIEnvironment.ThreadLevel.multiple`.
package final class Mailbox: @unchecked Sendable {
    /// A message being sent, which owns the memory that MPI reads.
    private final class PendingMessage {
        let elements: UnsafeMutablePointer<Int64>
        var request: MPI_Request?

        init(_ values: [Int64]) {
            elements = .allocate(capacity: values.count)
            elements.initialize(from: values, count: values.count)
        }

        deinit { elements.deallocate() }
    }

    private let communicator: Communicator
    private let length: Int
    /// By destination, at most one for each rank.
    private var pending: [Int: PendingMessage] = [:]
    /// Messages sent so far, by destination.
    private var posted: [Int]
    /// Messages received so far, by source.
    private var taken: [Int]

    /// Creates a mailbox for messages of `length` integers; collective. Throws `MPIError`.
    package init(on communicator: Communicator, length: Int) throws {
        self.communicator = try communicator.duplicate()
        self.length = length
        posted = Array(repeating: 0, count: communicator.size)
        taken = posted
    }

    /// Sends a message, or drops it if the previous one to that rank is still being sent. Local. Throws `MPIError`.
    package func post(_ values: [Int64], to rank: Int) throws {
        invariant(values.count == length, "a message has \(values.count) values, the mailbox is for \(length)")
        if let message = pending[rank] {
            var done: Int32 = 0
            try MPIError.check(MPI_Test(&message.request, &done, nil), "MPI_Test")
            if done == 0 { return }
        }
        let message = PendingMessage(values)
        try MPIError.check(
            MPI_Isend(
                message.elements, Int32(length), Int64.mpiKind.datatype, Int32(rank), 0, communicator.handle,
                &message.request),
            "MPI_Isend")
        pending[rank] = message
        posted[rank] += 1
    }

    /// The next message that has arrived and its source; nil if there is none. Local. Throws `MPIError`.
    package func take() throws -> (values: [Int64], from: Int)? {
        var (found, status) = (Int32(0), MPI_Status())
        try MPIError.check(MPI_Iprobe(MPI_ANY_SOURCE, 0, communicator.handle, &found, &status), "MPI_Iprobe")
        return found == 0 ? nil : (try receive(from: Int(status.MPI_SOURCE)), Int(status.MPI_SOURCE))
    }

    /// Receives and drops all messages that are still being sent, as MPI requires before it ends. Collective; no calls
    /// may follow. Throws `MPIError`.
    package func close() throws {
        let expected = try communicator.exchangeWithAll(posted)
        for rank in 0..<communicator.size {
            while taken[rank] < expected[rank] { _ = try receive(from: rank) }
        }
        for message in pending.values {
            try MPIError.check(MPI_Wait(&message.request, nil), "MPI_Wait")
        }
        pending = [:]
    }

    private func receive(from rank: Int) throws -> [Int64] {
        var values = [Int64](repeating: 0, count: length)
        try MPIError.check(
            MPI_Recv(
                &values, Int32(length), Int64.mpiKind.datatype, Int32(rank), 0, communicator.handle, nil),
            "MPI_Recv")
        taken[rank] += 1
        return values
    }
}
