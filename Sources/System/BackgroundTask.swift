import Foundation

/// Runs work on a separate thread, one piece at a time.
package final class BackgroundTask: @unchecked Sendable {
    private let condition = NSCondition()
    /// Guarded by `condition`.
    private var isBusy = false

    package init() {}

    /// Waits for the previous work to end, then starts the next and returns.
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

    /// Waits for the work to end.
    package func finish() {
        condition.withLock { while isBusy { condition.wait() } }
    }
}
