internal import COpenMPI
import System

extension Communicator {
    /// Starts to send part r of `sending` to rank r and to receive a part from it, for every rank r, and returns
    /// immediately. The counts that two ranks give for their exchange agree; a buffer has fewer than 2³¹ elements.
    ///
    ///     let pending = try communicator.startExchange(sending: parts, counts: [4, 4], receiving: own, counts: [4, 4])
    ///     try pending.wait()
    ///
    /// The buffers must not be changed, and what is received not be read, before `wait()` has returned or `test()` has
    /// returned true. Throws `MPIError`.
    ///
    /// - Parameters:
    ///   - sent: elements for each rank, one part after the other from the start of `sending`.
    ///   - received: elements from each rank, one part after the other from the start of `receiving`.
    package func startExchange<S: MessageBuffer, R: MessageBuffer>(
        sending: S, counts sent: [Int], receiving: R, counts received: [Int]
    ) throws -> PendingCollective where S.Element == R.Element {
        let (out, into) = (PartCounts(sent, on: self), PartCounts(received, on: self))
        invariant(out.total <= sending.elements.count, "\(out.total) elements are sent from a buffer of fewer")
        invariant(into.total <= receiving.elements.count, "\(into.total) elements are received in a buffer of fewer")
        let type = S.Element.mpiKind.datatype
        return try PendingCollective("MPI_Ialltoallv", keeping: [sending, receiving, out, into]) { request in
            MPI_Ialltoallv(
                sending.elements.baseAddress, out.counts, out.offsets, type, receiving.elements.baseAddress,
                into.counts, into.offsets, type, handle, &request)
        }
    }

    /// Starts to gather the parts of `buffer` on all ranks, in place, and returns immediately: part r is that of rank
    /// r. All ranks give the same counts; a buffer has fewer than 2³¹ elements. Throws `MPIError`.
    package func startAllGather<B: MessageBuffer>(_ buffer: B, counts: [Int]) throws -> PendingCollective {
        let parts = PartCounts(counts, on: self)
        invariant(parts.total <= buffer.elements.count, "\(parts.total) elements are gathered in a buffer of fewer")
        let type = B.Element.mpiKind.datatype
        return try PendingCollective("MPI_Iallgatherv", keeping: [buffer, parts]) { request in
            MPI_Iallgatherv(
                kaon_MPI_IN_PLACE(), 0, type, buffer.elements.baseAddress, parts.counts, parts.offsets, type, handle,
                &request)
        }
    }
}

/// Counts and offsets of the parts of a buffer as MPI's 32-bit integers, at fixed addresses.
private final class PartCounts {
    let counts: UnsafeMutablePointer<Int32>
    let offsets: UnsafeMutablePointer<Int32>
    let total: Int

    init(_ parts: [Int], on communicator: Communicator) {
        invariant(
            parts.count == communicator.size,
            "\(communicator.size) ranks need as many counts, not \(parts.count)")
        total = parts.reduce(0, +)
        invariant(total <= Int(Int32.max), "\(total) elements exceed the 32-bit counts of MPI")
        counts = .allocate(capacity: parts.count)
        offsets = .allocate(capacity: parts.count)
        var offset: Int32 = 0
        for (rank, part) in parts.enumerated() {
            (counts + rank).initialize(to: Int32(part))
            (offsets + rank).initialize(to: offset)
            offset += Int32(part)
        }
    }

    deinit {
        counts.deallocate()
        offsets.deallocate()
    }
}

/// A non-blocking collective in progress. It keeps its buffers until it has ended.
///
/// To release it before `wait()`, a true `test()` or `abandon()` is a broken invariant: MPI would use memory that has
/// been freed.
package final class PendingCollective {
    private let call: String
    private var buffers: [AnyObject]
    private var request: MPI_Request?

    fileprivate init(
        _ call: String, keeping buffers: [AnyObject], start: (inout MPI_Request?) -> Int32
    ) throws {
        (self.call, self.buffers) = (call, buffers)
        let code = start(&request)
        guard code == MPI_SUCCESS else {
            abandon()
            throw MPIError(code: code, call: call)
        }
    }

    deinit {
        invariant(request == nil, "a pending collective was released before it had ended")
    }

    /// True if it has ended; also lets MPI progress. Throws `MPIError`.
    package func test() throws -> Bool {
        guard request != nil else { return true }
        var done: Int32 = 1
        try end(MPI_Test(&request, &done, nil), isDone: { done != 0 })
        return request == nil
    }

    /// Waits for the end. Throws `MPIError`.
    package func wait() throws {
        guard request != nil else { return }
        try end(MPI_Wait(&request, nil), isDone: { true })
    }

    /// Gives up the collective when an error is about to end the job: the buffers are never freed.
    package func abandon() {
        guard request != nil else { return }
        _ = Unmanaged.passRetained(self)
        request = nil
    }

    private func end(_ code: Int32, isDone: () -> Bool) throws {
        guard code == MPI_SUCCESS else {
            // MPI may still use the memory, and `deinit` must not hide the error.
            abandon()
            throw MPIError(code: code, call: call)
        }
        guard isDone() else { return }
        request = nil
        buffers = []
    }
}
