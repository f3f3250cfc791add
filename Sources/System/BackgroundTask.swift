import Foundation

/// One piece of work at a time on a thread of its own, while the caller goes on.
package final class BackgroundTask: @unchecked Sendable {
    private let condition = NSCondition()
    /// Guarded by `condition`.
    private var isBusy = false

    package init() {}

    /// Waits for the work before, and begins the next.
    package func start(_ work: @escaping @Sendable () -> Void) {
        condition.withLock {
            while isBusy { condition.wait() }
            isBusy = true
        }
        let thread = Thread { [self] in
            work()
            condition.withLock {
                isBusy = false
                condition.broadcast()
            }
        }
        thread.stackSize = 8 << 20
        thread.start()
    }

    /// Waits for the end of the work.
    package func finish() {
        condition.withLock { while isBusy { condition.wait() } }
    }
}
