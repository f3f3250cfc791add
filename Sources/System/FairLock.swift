import Foundation

/// Recursive lock that threads acquire in the order of their requests.
///
/// A thread that releases an `NSRecursiveLock` and takes it again at once precedes threads that are already waiting, so
/// that one that makes many short calls in a row can keep the others out.
package final class FairLock: @unchecked Sendable {
    // Unchecked, because everything below is guarded by `condition`.
    private let condition = NSCondition()
    private var nextTicket = 0
    /// The ticket of the thread that holds the lock or may take it.
    private var serving = 0
    private var owner: pthread_t?
    private var depth = 0

    package init() {}

    /// Waits until the lock is free and all threads that came earlier have had it.
    package func lock() {
        condition.lock()
        defer { condition.unlock() }
        let thread = pthread_self()
        if owner != thread {
            let ticket = nextTicket
            nextTicket += 1
            while ticket != serving { condition.wait() }
            owner = thread
        }
        depth += 1
    }

    /// Undoes one `lock` of this thread; the outermost one lets the next thread in.
    package func unlock() {
        condition.lock()
        defer { condition.unlock() }
        depth -= 1
        guard depth == 0 else { return }
        owner = nil
        serving += 1
        condition.broadcast()
    }
}
