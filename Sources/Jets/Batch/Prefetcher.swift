import Foundation

/// Produces the next value on a separate thread while the caller works with the current one.
///
/// It is at most one value ahead. Without a thread, every value is produced on request.
package final class Prefetcher<Request: Hashable & Sendable, Value: Sendable>: Sendable {
    private let rank: Int?
    private let produce: @Sendable (Request) throws -> Value
    private let worker: Worker<Request, Value>?

    /// - Parameter rank: the rank to name in errors; nil if there is one only.
    package init(rank: Int?, isThreaded: Bool, produce: @escaping @Sendable (Request) throws -> Value) {
        self.rank = rank
        self.produce = produce
        worker = isThreaded ? Worker(produce: produce) : nil
        worker?.start()
    }

    deinit {
        worker?.stop()
    }

    /// Returns the value of `request`, which is being prepared if it was `next` in the previous call, and starts
    /// producing `next`.
    ///
    /// Throws `JetError` with the rank, the request and the error of `produce`, on either thread.
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

/// The thread and the state that it shares with the caller. It does not retain the prefetcher, whose `deinit` stops it.
private final class Worker<Request: Hashable & Sendable, Value: Sendable>: @unchecked Sendable {
    private let condition = NSCondition()
    // All properties below are guarded by `condition`.
    private var produce: (@Sendable (Request) throws -> Value)?
    private var pending: Request?
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

    /// Starts producing a value; a value that was produced and not taken is dropped.
    func begin(_ request: Request) {
        condition.withLock {
            prepared = nil
            pending = request
            condition.broadcast()
        }
    }

    /// Waits for the value of a request; nil if `begin` was not called for it.
    func take(_ request: Request) -> Result<Value, any Error>? {
        condition.withLock {
            while pending != nil || isBusy { condition.wait() }
            defer { prepared = nil }
            return prepared?.request == request ? prepared?.result : nil
        }
    }

    /// Stops the thread after the value that it may be producing, and waits for its end.
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
            // Release the closure before `stop` returns: what it retains, such as open files, must not be closed later
            // on this thread.
            produce = nil
            prepared = nil
            hasStopped = true
            condition.broadcast()
        }
    }

    private func nextRequest() -> Request? {
        condition.withLock {
            while pending == nil, !isStopping { condition.wait() }
            guard !isStopping, let request = pending else { return nil }
            pending = nil
            isBusy = true
            return request
        }
    }
}
