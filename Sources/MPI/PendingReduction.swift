internal import COpenMPI
import System

extension Communicator {
    /// Starts to reduce `buffer` over the ranks, in place, and returns at once. All ranks pass as many.
    ///
    /// The buffer must not be touched until `PendingReduction.wait()` gives it back. Throws `MPIError`.
    package func startAllReduce<B: MessageBuffer>(
        _ buffer: B, _ op: Reduction = .sum
    ) throws -> PendingReduction<B> {
        let pending = PendingReduction(buffer)
        try pending.start(on: self, op)
        return pending
    }

    /// Starts to exchange `buffer`, one part of equal size for each rank, in place: part r goes to rank r, and its place
    /// is taken by what rank r had for this one. All ranks pass as many elements, fewer than 2³¹.
    ///
    /// Throws `MPIError`.
    package func startExchangeWithAll<B: MessageBuffer>(_ buffer: B) throws -> PendingReduction<B> {
        let pending = PendingReduction(buffer)
        try pending.startExchange(on: self)
        return pending
    }

    /// Starts to gather the parts of `buffer` in place: part r is that of rank r. All ranks pass as many elements, fewer
    /// than 2³¹.
    ///
    /// Throws `MPIError`.
    package func startAllGather<B: MessageBuffer>(_ buffer: B) throws -> PendingReduction<B> {
        let pending = PendingReduction(buffer)
        try pending.startGather(on: self)
        return pending
    }
}

/// A reduction, or a part of one that the caller completes, on its way; it owns its buffer until `wait()` or a true `test()`.
///
/// One that is dropped before traps: MPI would write into memory that is someone else's by then.
package final class PendingReduction<Buffer: MessageBuffer> {
    private let buffer: Buffer
    private var requests: [MPI_Request?] = []

    fileprivate init(_ buffer: Buffer) { self.buffer = buffer }

    deinit {
        invariant(requests.isEmpty, "a pending reduction was dropped")
    }

    fileprivate func start(on communicator: Communicator, _ op: Reduction) throws {
        for piece in communicator.pieces(of: buffer.elements) {
            var request: MPI_Request?
            let code = MPI_Iallreduce(
                kaon_MPI_IN_PLACE(), piece.baseAddress, Int32(piece.count), Buffer.Element.mpiKind.datatype,
                op.operation, communicator.handle, &request)
            try checkOrAbandon(code, "MPI_Iallreduce")
            requests.append(request)
        }
    }

    fileprivate func startExchange(on communicator: Communicator) throws {
        let (count, type) = (part(on: communicator), Buffer.Element.mpiKind.datatype)
        var request: MPI_Request?
        try checkOrAbandon(
            MPI_Ialltoall(
                kaon_MPI_IN_PLACE(), 0, type, buffer.elements.baseAddress, count, type, communicator.handle, &request),
            "MPI_Ialltoall")
        requests.append(request)
    }

    fileprivate func startGather(on communicator: Communicator) throws {
        let (count, type) = (part(on: communicator), Buffer.Element.mpiKind.datatype)
        var request: MPI_Request?
        try checkOrAbandon(
            MPI_Iallgather(
                kaon_MPI_IN_PLACE(), 0, type, buffer.elements.baseAddress, count, type, communicator.handle, &request),
            "MPI_Iallgather")
        requests.append(request)
    }

    /// The elements of each rank.
    private func part(on communicator: Communicator) -> Int32 {
        invariant(buffer.elements.count % communicator.size == 0, "the parts of a buffer are of equal size")
        return Int32(buffer.elements.count / communicator.size)
    }

    /// Whether the reduction is done; also gives MPI a chance to move it on. Throws `MPIError`.
    package func test() throws -> Bool {
        var done: Int32 = 1
        let code = MPI_Testall(Int32(requests.count), &requests, &done, nil)
        try checkOrAbandon(code, "MPI_Testall")
        if done != 0 { requests = [] }
        return done != 0
    }

    /// Waits for the reduction and gives the buffer back, with the result in it. Throws `MPIError`.
    package func wait() throws -> Buffer {
        let code = MPI_Waitall(Int32(requests.count), &requests, nil)
        try checkOrAbandon(code, "MPI_Waitall")
        requests = []
        return buffer
    }

    /// Gives the reduction up, for when an error is about to end the job: the buffer is never freed.
    package func abandon() {
        guard !requests.isEmpty else { return }
        _ = Unmanaged.passRetained(buffer)
        requests = []
    }

    /// After an error MPI may still hold the memory, and the error shall be seen, not the trap of `deinit`.
    private func checkOrAbandon(_ code: Int32, _ call: String) throws {
        do { try MPIError.check(code, call) } catch {
            abandon()
            throw error
        }
    }
}
