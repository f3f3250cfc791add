/// A failure that every rank of a communicator knows: all throw the same text, and one need print it.
package struct AgreedError: Error, CustomStringConvertible, Equatable {
    /// What failed, and on which rank when not on all alike.
    package let message: String

    package init(message: String) { self.message = message }

    package var description: String { message }
}

extension Communicator {
    /// Runs `work` on every rank, and succeeds on all or on none.
    ///
    /// When `work` throws anywhere, all ranks throw `AgreedError` with the text of the lowest failing rank,
    /// after "rank 3: " unless every rank failed alike. A rank that throws for itself leaves the others
    /// waiting in their next collective; every rank must therefore enter here, and `work` must not throw from
    /// between collectives that the other ranks still make.
    package func agree<R: ~Copyable>(_ work: () throws -> R) throws -> R {
        var result: R?
        var failure: String?
        do { result = try work() } catch { failure = "\(error)" }

        let firstFailing = try allReduce(failure == nil ? size : rank, .minimum)
        guard firstFailing < size else { return result.take()! }

        let message = try broadcast(failure ?? "", from: firstFailing)
        let alike = try allReduce(failure == message ? 1 : 0, .minimum) == 1
        throw AgreedError(message: alike ? message : "rank \(firstFailing): \(message)")
    }

    /// Runs `work` on rank 0 and returns its result there, nil elsewhere.
    ///
    /// When it throws, all ranks throw `AgreedError` with its text.
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
