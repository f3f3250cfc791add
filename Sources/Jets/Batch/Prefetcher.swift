import Configuration
import Foundation

/// Prepares the next value on a thread of its own while the caller works with the last.
///
/// It holds at most one value ahead. Without a thread every value is made when it is asked for.
package final class Prefetcher<Request: Hashable & Sendable, Value: Sendable>: Sendable {
    private let rank: Int?
    private let produce: @Sendable (Request) throws -> Value
    private let worker: Worker<Request, Value>?

    /// A prefetcher of what `produce` makes; `rank`, if there are several, is named in errors.
    package init(rank: Int?, isThreaded: Bool, produce: @escaping @Sendable (Request) throws -> Value) {
        self.rank = rank
        self.produce = produce
        worker = isThreaded ? Worker(produce: produce) : nil
        worker?.start()
    }

    deinit {
        worker?.stop()
    }

    /// The value of `request`, at once if it was announced before; then `next` is begun.
    ///
    /// Throws `JetError` with the rank, the request and what `produce` threw, whichever thread it ran on.
    package func value(for request: Request, thenPreparing next: Request? = nil) throws -> Value {
        let value: Value
        do {
            value = try worker?.take(request)?.get() ?? produce(request)
        } catch {
            throw JetError("\(rank.map { "rank \($0), " } ?? "")\(request): \(error)")
        }
        if let next { worker?.begin(next) }
        return value
    }
}

/// The thread and what it shares with the caller. The prefetcher is not among it, so that it can go and stop
/// the thread.
private final class Worker<Request: Hashable & Sendable, Value: Sendable>: @unchecked Sendable {
    private let condition = NSCondition()
    // All below is guarded by `condition`.
    private var produce: (@Sendable (Request) throws -> Value)?
    private var wanted: Request?
    private var prepared: (request: Request, result: Result<Value, any Error>)?
    private var isBusy = false
    private var isStopping = false
    private var hasStopped = false

    init(produce: @escaping @Sendable (Request) throws -> Value) {
        self.produce = produce
    }

    func start() {
        let thread = Thread { [self] in run() }
        thread.stackSize = 8 << 20
        thread.start()
    }

    /// Begins to prepare a value; what was prepared and not taken is given up.
    func begin(_ request: Request) {
        condition.withLock {
            prepared = nil
            wanted = request
            condition.broadcast()
        }
    }

    /// What was prepared for the request; nil if it was not announced.
    func take(_ request: Request) -> Result<Value, any Error>? {
        condition.withLock {
            while wanted != nil || isBusy { condition.wait() }
            defer { prepared = nil }
            return prepared?.request == request ? prepared?.result : nil
        }
    }

    /// Ends the thread, after the value that it may be working on.
    func stop() {
        condition.withLock {
            isStopping = true
            condition.broadcast()
            while !hasStopped { condition.wait() }
        }
    }

    private func run() {
        while let request = nextRequest() {
            let result = Result { try produce!(request) }
            condition.withLock {
                prepared = (request, result)
                isBusy = false
                condition.broadcast()
            }
        }
        condition.withLock {
            // What the closure holds, an open file perhaps, must not end in this thread at some later time.
            produce = nil
            prepared = nil
            hasStopped = true
            condition.broadcast()
        }
    }

    private func nextRequest() -> Request? {
        condition.withLock {
            while wanted == nil, !isStopping { condition.wait() }
            guard !isStopping, let request = wanted else { return nil }
            wanted = nil
            isBusy = true
            return request
        }
    }
}
