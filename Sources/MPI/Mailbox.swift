internal import COpenMPI
import System

/// Short messages of a fixed number of integers, between ranks that never wait for each other: who posts does
/// not ask whether anybody reads, and who looks finds what has come.
///
/// One thread of a rank uses it, beside others that use other communicators: MPI has to grant
/// `MPIEnvironment.ThreadLevel.multiple`.
package final class Mailbox: @unchecked Sendable {
    /// A message on its way, whose memory MPI reads.
    private final class Letter {
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
    /// By destination; one to each rank at a time.
    private var onTheirWay: [Int: Letter] = [:]
    private var posted: [Int]
    private var taken: [Int]

    /// A box for messages of `length` integers, with a context of its own; collective. Throws `MPIError`.
    package init(on communicator: Communicator, length: Int) throws {
        self.communicator = try communicator.duplicate()
        self.length = length
        posted = Array(repeating: 0, count: communicator.size)
        taken = posted
    }

    /// Sends a message, unless the one before to the same rank has still not left: then nothing. Local.
    package func post(_ values: [Int64], to rank: Int) throws {
        invariant(values.count == length, "a message of \(values.count) values, not \(length)")
        if let letter = onTheirWay[rank] {
            var done: Int32 = 0
            try MPIError.check(MPI_Test(&letter.request, &done, nil), "MPI_Test")
            if done == 0 { return }
        }
        let letter = Letter(values)
        try MPIError.check(
            MPI_Isend(
                letter.elements, Int32(length), Int64.mpiKind.datatype, Int32(rank), 0, communicator.handle,
                &letter.request),
            "MPI_Isend")
        onTheirWay[rank] = letter
        posted[rank] += 1
    }

    /// The next message that has come, and from whom; nil when there is none. Local.
    package func take() throws -> (values: [Int64], from: Int)? {
        var (found, status) = (Int32(0), MPI_Status())
        try MPIError.check(MPI_Iprobe(MPI_ANY_SOURCE, 0, communicator.handle, &found, &status), "MPI_Iprobe")
        return found == 0 ? nil : (try receive(from: Int(status.MPI_SOURCE)), Int(status.MPI_SOURCE))
    }

    /// Waits for all messages that anybody has posted, so that none is left when MPI ends; collective, and
    /// the last call.
    package func close() throws {
        let expected = try communicator.exchangeWithAll(posted)
        for rank in 0..<communicator.size {
            while taken[rank] < expected[rank] { _ = try receive(from: rank) }
        }
        for letter in onTheirWay.values {
            try MPIError.check(MPI_Wait(&letter.request, nil), "MPI_Wait")
        }
        onTheirWay = [:]
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
