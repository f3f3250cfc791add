/// Where the time of tapes goes: calls, seconds and floating-point operations by kind of operation.
///
/// One profile may serve many tapes. Time is counted from the end of one operation to the end of the next, so what a
/// model does between two operations counts to the second.
package final class OperationProfile {
    /// What one kind of operation took.
    package struct Entry: Sendable {
        package var calls = 0
        package var seconds = 0.0
        /// Floating-point operations of matrix products.
        package var operations = 0.0
    }

    /// By name; the backward pass of `linear` is `linear gradient`.
    package private(set) var entries: [String: Entry] = [:]
    private var last = ContinuousClock.now

    /// Called with every operation: its name, its begin and end, and its floating-point operations.
    package var onLap: ((String, ContinuousClock.Instant, ContinuousClock.Instant, Double) -> Void)?

    package init() {}

    /// Forgets what was noted.
    package func reset() {
        entries = [:]
        restart()
    }

    /// Begins to count: the time since the last operation belongs to nobody.
    package func restart() { last = .now }

    /// Adds the time since the last operation to `name`.
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
