/// The time of the operations of tapes: calls, seconds and floating-point operations by kind of operation.
///
/// One profile may serve many tapes. An operation is charged with the time since the end of the previous one, including
/// that of the model's code between the two.
package final class OperationProfile {
    /// The totals of one kind of operation.
    package struct Entry: Sendable {
        package var calls = 0
        package var seconds = 0.0
        /// Floating-point operations of matrix products.
        package var operations = 0.0
    }

    /// By name; the backward pass of `linear` is `linear gradient`.
    package private(set) var entries: [String: Entry] = [:]
    private var last = ContinuousClock.now

    /// Called after every operation with its name, start, end and floating-point operations.
    package var onLap: ((String, ContinuousClock.Instant, ContinuousClock.Instant, Double) -> Void)?

    package init() {}

    /// Clears all entries and restarts the clock.
    package func reset() {
        entries = [:]
        restart()
    }

    /// Restarts the clock: the time since the last operation is charged to none.
    package func restart() { last = .now }

    /// Charges the time since the last operation to `name`.
    package func lap(_ name: String, operations: Double = 0) {
        let now = ContinuousClock.now
        var entry = entries[name] ?? Entry()
        entry.calls += 1
        entry.seconds += last.duration(to: now) / .seconds(1)
        entry.operations += operations
        entries[name] = entry
        onLap?(name, last, now, operations)
        last = now
    }
}
