internal import COpenMPI
import Glibc
import System

/// A group of ranks that exchange messages.
///
///     let sum = try Communicator.world.allReduce(count)
///
/// Operations are collective unless documented as local: all ranks of the communicator must make the same calls in the
/// same order. Threads of a rank may use different communicators at once if MPI provides
/// `MPIEnvironment.ThreadLevel.multiple`; on the same communicator their calls must have the same order on all ranks.
///
/// - Note: `@unchecked Sendable` because the handle is a constant address in the library.
package final class Communicator: @unchecked Sendable {
    /// All ranks of the job.
    package static let world = Communicator(predefined: kaon_MPI_COMM_WORLD)

    /// A communicator of this rank only.
    package static let selfOnly = Communicator(predefined: kaon_MPI_COMM_SELF)

    /// The number of this rank, 0 ..< `size`.
    package let rank: Int

    /// The number of ranks.
    package let size: Int

    let handle: MPI_Comm

    /// The maximum number of elements in one call to MPI, whose counts are 32-bit integers.
    package let pieceLength: Int

    private let isOwned: Bool

    /// The handle in C, for other libraries that use MPI.
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
        // While MPI is running, the rank and size of a predefined communicator are always available.
        try! self.init(predefined(), isOwned: false)
    }

    deinit {
        guard isOwned, !MPIEnvironment.isFinalized else { return }
        var handle: MPI_Comm? = handle
        _ = MPI_Comm_free(&handle)
    }

    /// The communicator of the ranks with the same `color` (≥ 0), ordered by `key`, then by rank. Throws `MPIError`.
    package func split(color: Int, key: Int) throws -> Communicator {
        invariant(color >= 0, "the color of a split must not be negative, found \(color)")
        var part: MPI_Comm?
        try MPIError.check(MPI_Comm_split(handle, Int32(color), Int32(key), &part), "MPI_Comm_split")
        return try Communicator(part!, isOwned: true, pieceLength: pieceLength)
    }

    /// The communicator of the ranks that run on the same host and can share memory, ordered by rank. Throws
    /// `MPIError`.
    package func splitByHost() throws -> Communicator {
        var part: MPI_Comm?
        try MPIError.check(
            MPI_Comm_split_type(handle, Int32(MPI_COMM_TYPE_SHARED), Int32(rank), kaon_MPI_INFO_NULL(), &part),
            "MPI_Comm_split_type")
        return try Communicator(part!, isOwned: true, pieceLength: pieceLength)
    }

    /// A communicator of the same ranks, whose messages are separate from those of this one. Throws `MPIError`.
    package func duplicate() throws -> Communicator {
        try duplicate(pieceLength: pieceLength)
    }

    /// A duplicate with another `pieceLength`, so that tests need not send 2³⁰ elements.
    package func duplicate(pieceLength: Int) throws -> Communicator {
        var copy: MPI_Comm?
        try MPIError.check(MPI_Comm_dup(handle, &copy), "MPI_Comm_dup")
        return try Communicator(copy!, isOwned: true, pieceLength: pieceLength)
    }

    /// Waits until all ranks have called it. Throws `MPIError`.
    package func barrier() throws {
        try MPIError.check(MPI_Barrier(handle), "MPI_Barrier")
    }

    /// Ends the job on all ranks with exit code `code`. Local.
    package func abort(code: Int32) -> Never {
        _ = MPI_Abort(handle, code)
        exit(code)
    }
}
