internal import COpenMPI
import System

// Counts in MPI are 32-bit integers: longer messages are sent in pieces, the same on every rank.

extension Communicator {
    // MARK: Reduction

    /// Reduces over the ranks, element by element, in place. All ranks pass the same count. Throws `MPIError`.
    package func allReduce<T: MPIScalar>(
        _ buffer: UnsafeMutableBufferPointer<T>, _ op: Reduction = .sum
    ) throws {
        for piece in pieces(of: buffer) {
            try MPIError.check(
                MPI_Allreduce(
                    kaon_MPI_IN_PLACE(), piece.baseAddress, Int32(piece.count), T.mpiKind.datatype,
                    op.operation, handle),
                "MPI_Allreduce")
        }
    }

    /// The reduction over the ranks, element by element. All ranks pass the same count. Throws `MPIError`.
    package func allReduce<T: MPIScalar>(_ values: [T], _ op: Reduction = .sum) throws -> [T] {
        var result = values
        try result.withUnsafeMutableBufferPointer { try allReduce($0, op) }
        return result
    }

    /// The reduction of one value over the ranks. Throws `MPIError`.
    package func allReduce<T: MPIScalar>(_ value: T, _ op: Reduction = .sum) throws -> T {
        try allReduce([value], op)[0]
    }

    // MARK: Broadcast

    /// Copies the elements of `root` to all ranks. All ranks pass the same count. Throws `MPIError`.
    package func broadcast<T: MPIScalar>(_ buffer: UnsafeMutableBufferPointer<T>, from root: Int = 0) throws {
        for piece in pieces(of: buffer) {
            try MPIError.check(
                MPI_Bcast(piece.baseAddress, Int32(piece.count), T.mpiKind.datatype, Int32(root), handle),
                "MPI_Bcast")
        }
    }

    /// The values of `root`, of any length; those of the other ranks are ignored. Throws `MPIError`.
    package func broadcast<T: MPIScalar>(_ values: [T], from root: Int = 0) throws -> [T] {
        var count = values.count
        try withUnsafeMutablePointer(to: &count) {
            try broadcast(UnsafeMutableBufferPointer(start: $0, count: 1), from: root)
        }
        var result = rank == root ? values : Array(zeroed: count)
        try result.withUnsafeMutableBufferPointer { try broadcast($0, from: root) }
        return result
    }

    /// The text of `root`; those of the other ranks are ignored. Throws `MPIError`.
    package func broadcast(_ text: String, from root: Int = 0) throws -> String {
        String(decoding: try broadcast(Array(text.utf8), from: root), as: UTF8.self)
    }

    // MARK: Gathering

    /// The values of every rank, by rank, on `root`; nil on the others. The lengths may differ.
    ///
    /// Throws `MPIError`, on every rank if the total exceeds 2³¹ − 1 values.
    package func gather<T: MPIScalar>(_ values: [T], to root: Int = 0) throws -> [[T]]? {
        let layout = try GatherLayout(counts: allGatherCount(values.count), call: "MPI_Gatherv")
        var all: [T] = Array(zeroed: rank == root ? layout.total : 0)
        try MPIError.check(
            MPI_Gatherv(
                values, Int32(values.count), T.mpiKind.datatype,
                &all, layout.counts, layout.offsets, T.mpiKind.datatype, Int32(root), handle),
            "MPI_Gatherv")
        return rank == root ? layout.parts(of: all) : nil
    }

    /// The values of every rank, by rank, on all ranks. The lengths may differ.
    ///
    /// Throws `MPIError`, on every rank if the total exceeds 2³¹ − 1 values.
    package func allGather<T: MPIScalar>(_ values: [T]) throws -> [[T]] {
        let layout = try GatherLayout(counts: allGatherCount(values.count), call: "MPI_Allgatherv")
        var all: [T] = Array(zeroed: layout.total)
        try MPIError.check(
            MPI_Allgatherv(
                values, Int32(values.count), T.mpiKind.datatype,
                &all, layout.counts, layout.offsets, T.mpiKind.datatype, handle),
            "MPI_Allgatherv")
        return layout.parts(of: all)
    }

    /// The text of every rank, by rank, on all ranks. Throws `MPIError`.
    package func allGather(_ text: String) throws -> [String] {
        try allGather(Array(text.utf8)).map { String(decoding: $0, as: UTF8.self) }
    }

    private func allGatherCount(_ count: Int) throws -> [Int] {
        var counts = [Int](repeating: 0, count: size)
        try MPIError.check(
            MPI_Allgather([count], 1, Int.mpiKind.datatype, &counts, 1, Int.mpiKind.datatype, handle),
            "MPI_Allgather")
        return counts
    }

    // MARK: Exchange

    /// Sends `values[r]` to rank r for every r; returns the values received, by rank. Throws `MPIError`.
    package func exchangeWithAll<T: MPIScalar>(_ values: [T]) throws -> [T] {
        invariant(values.count == size, "an exchange among \(size) ranks needs as many values, not \(values.count)")
        var result: [T] = Array(zeroed: size)
        try MPIError.check(
            MPI_Alltoall(values, 1, T.mpiKind.datatype, &result, 1, T.mpiKind.datatype, handle), "MPI_Alltoall")
        return result
    }

    /// Sends elements to `partner`, which makes the same call, and receives from it; the counts may differ. Throws
    /// `MPIError`.
    package func exchange<T: MPIScalar>(
        sending: UnsafeMutableBufferPointer<T>, receiving: UnsafeMutableBufferPointer<T>, with partner: Int
    ) throws {
        let (sent, received) = (pieces(of: sending), pieces(of: receiving))
        for index in 0..<max(sent.count, received.count) {
            let out = index < sent.count ? sent[index] : nil
            let into = index < received.count ? received[index] : nil
            try MPIError.check(
                MPI_Sendrecv(
                    out?.baseAddress, Int32(out?.count ?? 0), T.mpiKind.datatype, Int32(partner), 0,
                    into?.baseAddress, Int32(into?.count ?? 0), T.mpiKind.datatype, Int32(partner), 0,
                    handle, nil),
                "MPI_Sendrecv")
        }
    }

    /// Sends elements to a rank, which calls `receive` with as many. Throws `MPIError`.
    package func send<T: MPIScalar>(_ elements: UnsafeMutableBufferPointer<T>, to rank: Int) throws {
        for piece in pieces(of: elements) {
            try MPIError.check(
                MPI_Send(piece.baseAddress, Int32(piece.count), T.mpiKind.datatype, Int32(rank), 0, handle),
                "MPI_Send")
        }
    }

    /// Receives the elements that a rank sends. Throws `MPIError`.
    package func receive<T: MPIScalar>(into elements: UnsafeMutableBufferPointer<T>, from rank: Int) throws {
        for piece in pieces(of: elements) {
            try MPIError.check(
                MPI_Recv(piece.baseAddress, Int32(piece.count), T.mpiKind.datatype, Int32(rank), 0, handle, nil),
                "MPI_Recv")
        }
    }

    // MARK: Pieces

    /// `buffer` in pieces of at most `pieceLength` elements.
    func pieces<T>(of buffer: UnsafeMutableBufferPointer<T>) -> [UnsafeMutableBufferPointer<T>] {
        stride(from: 0, to: buffer.count, by: pieceLength).map { start in
            UnsafeMutableBufferPointer(rebasing: buffer[start..<min(start + pieceLength, buffer.count)])
        }
    }
}

/// The counts and offsets of the ranks in a gathered buffer, as MPI's 32-bit integers.
private struct GatherLayout {
    let counts: [Int32]
    let offsets: [Int32]
    let total: Int

    init(counts: [Int], call: String) throws {
        total = counts.reduce(0, +)
        guard total <= Int(Int32.max) else {
            throw MPIError(
                call: call, message: "\(total) values exceed the 32-bit counts of MPI")
        }
        self.counts = counts.map { Int32($0) }
        var offset: Int32 = 0
        offsets = self.counts.map { count in
            defer { offset += count }
            return offset
        }
    }

    func parts<T>(of all: [T]) -> [[T]] {
        zip(offsets, counts).map { Array(all[Int($0)..<Int($0 + $1)]) }
    }
}

extension Array where Element: MPIScalar {
    /// An array of `count` zeros.
    init(zeroed count: Int) {
        self.init(unsafeUninitializedCapacity: count) { buffer, initialized in
            UnsafeMutableRawBufferPointer(buffer).initializeMemory(as: UInt8.self, repeating: 0)
            initialized = count
        }
    }
}
