import MPI
import System

/// Environment of a run on one rank: the ranks it runs with, its output, and what may stop it early.
///
/// It is created once at launch and passed down as one value. Functions that need MPI alone take a `Communicator`.
package struct RunContext {
    package var communicator: Communicator
    package var console: Console
    /// The current activity of the rank, which its watchdog monitors.
    package var progress: ProgressTracker
    /// The time limit of the run; set on rank 0 only, nil for no limit.
    package var budget: TimeBudget?
    /// True once the run is asked to stop, for example by a signal.
    package var stopRequested: () -> Bool

    package init(
        _ communicator: Communicator, _ console: Console, progress: ProgressTracker = ProgressTracker(),
        budget: TimeBudget? = nil, stopRequested: @escaping () -> Bool = { false }
    ) {
        self.communicator = communicator
        self.console = console
        self.progress = progress
        self.budget = budget
        self.stopRequested = stopRequested
    }

    /// The reason for this rank to stop now, in words that follow "stopped by"; nil to continue.
    ///
    /// - Parameter seconds: time that the work up to the next opportunity to stop takes; nil to ignore the time limit.
    package func stopReason(reserving seconds: Double? = nil) -> String? {
        if let budget, let seconds, budget.isSpent(reserving: seconds) { return budget.reason }
        return stopRequested() ? "a signal" : nil
    }
}
