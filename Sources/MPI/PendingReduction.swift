internal import COpenMPI
import System

extension Communicator {
    /// Starts to reduce `buffer` over the ranks, in place, and returns immediately. All ranks pass the same count.
    ///
    ///     let pending = try communicator.startAllReduce(Message(values))
    ///     let sums = try pending.wait().values
    ///
    /// The buffer must not be accessed until `PendingReduction.wait()` returns it. Throws `MPIError`.
    package func startAllReduce<B: MessageBuffer>(
        _ buffer: B, _ op: Reduction = .sum
    ) throws -> PendingReduction<B> {
        let pending = PendingReduction(buffer)
        try pending.start(on: self, op)
        return pending
    }

    /// Starts an all-to-all exchange of `buffer`, in place: it has one part of equal size for each rank; part r is sent
    /// to rank r and replaced by the part received from it. All ranks pass the same count, below 2³¹. Throws
    /// `MPIError`.
    package func startExchangeWithAll<B: MessageBuffer>(_ buffer: B) throws -> PendingReduction<B> {
        let pending = PendingReduction(buffer)
        try pending.startExchange(on: self)
        return pending
    }

    /// Starts to gather the parts of `buffer` on all ranks, in place: part r is that of rank r. All ranks pass the
    /// same count, below 2³¹. Throws `MPIError`.
    package func startAllGather<B: MessageBuffer>(_ buffer: B) throws -> PendingReduction<B> {
        let pending = PendingReduction(buffer)
        try pending.startGather(on: self)
        return pending
    }
}

/// A non-blocking reduction, exchange or gathering in progress. It owns its buffer until `wait()` returns.
///
/// To release it before `wait()`, a true `test()` or `abandon()` is a broken invariant: MPI would write into memory
/// that has been freed.
package final class PendingReduction<Buffer: MessageBuffer> {
    private let buffer: Buffer
    private var requests: [MPI_Request?] = []

    fileprivate init(_ buffer: Buffer) { self.buffer = buffer }

    deinit {
        invariant(requests.isEmpty, "a pending reduction was released before it had ended")
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
        let (count, type) = (partLength(on: communicator), Buffer.Element.mpiKind.datatype)
        var request: MPI_Request?
        try checkOrAbandon(
            MPI_Ialltoall(
                kaon_MPI_IN_PLACE(), 0, type, buffer.elements.baseAddress, count, type, communicator.handle, &request),
            "MPI_Ialltoall")
        requests.append(request)
    }

    fileprivate func startGather(on communicator: Communicator) throws {
        let (count, type) = (partLength(on: communicator), Buffer.Element.mpiKind.datatype)
        var request: MPI_Request?
        try checkOrAbandon(
            MPI_Iallgather(
                kaon_MPI_IN_PLACE(), 0, type, buffer.elements.baseAddress, count, type, communicator.handle, &request),
            "MPI_Iallgather")
        requests.append(request)
    }

    /// The number of elements of each part.
    private func partLength(on communicator: Communicator) -> Int32 {
        invariant(
            buffer.elements.count % communicator.size == 0,
            "\(buffer.elements.count) elements cannot be divided into equal parts for \(communicator.size) ranks")
        return Int32(buffer.elements.count / communicator.size)
    }

    /// True if the reduction has ended; also lets MPI progress. Throws `MPIError`.
    package func test() throws -> Bool {
        var done: Int32 = 1
        let code = MPI_Testall(Int32(requests.count), &requests, &done, nil)
        try checkOrAbandon(code, "MPI_Testall")
        if done != 0 { requests = [] }
        return done != 0
    }

    /// Waits for the end of the reduction and returns the buffer with the result. Throws `MPIError`.
    package func wait() throws -> Buffer {
        let code = MPI_Waitall(Int32(requests.count), &requests, nil)
        try checkOrAbandon(code, "MPI_Waitall")
        requests = []
        return buffer
    }

    /// Gives up the reduction when an error is about to end the job: the buffer is never freed.
    package func abandon() {
        guard !requests.isEmpty else { return }
        _ = Unmanaged.passRetained(buffer)
        requests = []
    }

    /// Abandons the reduction on an error: MPI may still use the memory, and `deinit` must not hide the error.
    private func checkOrAbandon(_ code: Int32, _ call: String) throws {
        do { try MPIError.check(code, call) } catch {
            abandon()
            throw error
        }
    }
}
