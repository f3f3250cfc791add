internal import COpenMPI
import Glibc
import System

/// A group of ranks that talk to each other.
///
/// Every operation that is not said to be local is collective: all ranks of the communicator must make the
/// same calls in the same order. Threads of one rank may use different communicators at once, if MPI grants
/// `MPIEnvironment.ThreadLevel.multiple`; on one communicator they must agree on an order.
///
/// - Note: `@unchecked Sendable`, because the handle is an address in the library that never changes.
package final class Communicator: @unchecked Sendable {
    /// All ranks of the job.
    package static let world = Communicator(predefined: kaon_MPI_COMM_WORLD)

    /// This rank alone.
    package static let selfOnly = Communicator(predefined: kaon_MPI_COMM_SELF)

    /// The number of this rank, from 0 up to `size`.
    package let rank: Int

    /// The number of ranks.
    package let size: Int

    let handle: MPI_Comm

    /// The most elements that one call to MPI is given: its counts are 32-bit.
    package let pieceLength: Int

    private let isOwned: Bool

    /// The communicator as C sees it, for other libraries that speak MPI.
    package var cHandle: OpaquePointer { handle }

    private init(_ handle: MPI_Comm, isOwned: Bool, pieceLength: Int = 1 << 30) throws {
        var rank: Int32 = 0
        var size: Int32 = 0
        try MPIError.check(MPI_Comm_rank(handle, &rank), "MPI_Comm_rank")
        try MPIError.check(MPI_Comm_size(handle, &size), "MPI_Comm_size")
        self.handle = handle
        self.rank = Int(rank)
        self.size = Int(size)
        self.isOwned = isOwned
        self.pieceLength = pieceLength
    }

    private convenience init(predefined: () -> MPI_Comm) {
        MPIEnvironment.requireRunning()
        // Rank and size of a predefined communicator cannot fail while MPI runs.
        try! self.init(predefined(), isOwned: false)
    }

    deinit {
        guard isOwned, !MPIEnvironment.isFinalized else { return }
        var handle: MPI_Comm? = handle
        _ = MPI_Comm_free(&handle)
    }

    /// Parts the ranks: those of the same `color` (≥ 0) form a communicator, ordered by `key`, then rank.
    ///
    /// Throws `MPIError`.
    package func split(color: Int, key: Int) throws -> Communicator {
        invariant(color >= 0, "the color of a split is \(color); it must not be negative")
        var part: MPI_Comm?
        try MPIError.check(MPI_Comm_split(handle, Int32(color), Int32(key), &part), "MPI_Comm_split")
        return try Communicator(part!, isOwned: true, pieceLength: pieceLength)
    }

    /// The same ranks with a context of their own, so that its messages never meet those of the original.
    ///
    /// Throws `MPIError`.
    package func duplicate() throws -> Communicator {
        try duplicate(pieceLength: pieceLength)
    }

    /// A duplicate that cuts its messages after `pieceLength` elements, to try what otherwise takes 2³⁰.
    package func duplicate(pieceLength: Int) throws -> Communicator {
        var copy: MPI_Comm?
        try MPIError.check(MPI_Comm_dup(handle, &copy), "MPI_Comm_dup")
        return try Communicator(copy!, isOwned: true, pieceLength: pieceLength)
    }

    /// Waits until every rank has come here. Throws `MPIError`.
    package func barrier() throws {
        try MPIError.check(MPI_Barrier(handle), "MPI_Barrier")
    }

    /// Ends the job on every rank with the exit status `code`; local, for when the others cannot be told.
    package func abort(code: Int32) -> Never {
        _ = MPI_Abort(handle, code)
        exit(code)
    }
}
