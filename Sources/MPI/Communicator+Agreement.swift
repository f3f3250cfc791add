/// An error that all ranks of a communicator throw with the same message, so that one of them can print it.
package struct AgreedError: Error, CustomStringConvertible, Equatable {
    /// The reason, with the rank unless it is the same on all ranks.
    package let message: String

    package init(message: String) { self.message = message }

    package var description: String { message }
}

extension Communicator {
    /// Runs `work` on every rank; succeeds on all ranks or on none. Collective.
    ///
    ///     let file = try communicator.agree { try openFile(path) }
    ///
    /// If `work` throws on any rank, all ranks throw `AgreedError` with the message of the lowest of these ranks, after
    /// "rank 3: " unless all ranks have the same message. Otherwise the other ranks would wait in their next collective
    /// operation for the rank that has thrown. For the same reason, `work` must not throw between collective operations
    /// that the other ranks still perform.
    package func agree<R: ~Copyable>(_ work: () throws -> R) throws -> R {
        var result: R?
        var failure: String?
        do { result = try work() } catch { failure = "\(error)" }

        let firstFailing = try allReduce(failure == nil ? size : rank, .minimum)
        guard firstFailing < size else { return result.take()! }

        let message = try broadcast(failure ?? "", from: firstFailing)
        let isSameOnAll = try allReduce(failure == message ? 1 : 0, .minimum) == 1
        throw AgreedError(message: isSameOnAll ? message : "rank \(firstFailing): \(message)")
    }

    /// Runs `work` on rank 0 and returns its result there, nil on the other ranks. Collective.
    ///
    /// If it throws, all ranks throw `AgreedError` with its message.
    package func onRoot<R: ~Copyable>(_ work: () throws -> R) throws -> R? {
        var result: R?
        var failure: String?
        if rank == 0 {
            do { result = try work() } catch { failure = "\(error)" }
        }
        guard try broadcast([failure == nil ? 0 : 1 as UInt8])[0] == 0 else {
            throw AgreedError(message: try broadcast(failure ?? ""))
        }
        return result
    }
}
