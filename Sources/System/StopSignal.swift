import Foundation
import Synchronization

/// A request to stop the run soon: SIGTERM, SIGINT, SIGUSR1, or SIGHUP when the terminal is closed.
///
/// The first signal sets a flag, on which the training loop acts between two steps; further signals have no effect.
/// SIGKILL and SIGQUIT still end the process at once.
package enum StopSignal {
    private static let numbers = [SIGTERM, SIGINT, SIGUSR1, SIGHUP]
    private static let flag = Atomic<Bool>(false)

    /// Installs the handlers. The signals no longer end the process, nor does SIGPIPE, which arrives when the reader of
    /// its output exits.
    package static func install() {
        // Initialises the flag before a handler may use it.
        flag.store(false, ordering: .relaxed)
        // nohup has the process outlive its terminal.
        for number in numbers where number != SIGHUP || SignalAction(of: SIGHUP) != .ignored {
            handleSignal(number) { _ in StopSignal.flag.store(true, ordering: .relaxed) }
        }
        ignoreSignal(SIGPIPE)
        // A launcher may have blocked them.
        unblockSignals(numbers)
    }

    /// True once a signal has arrived.
    package static var hasArrived: Bool { flag.load(ordering: .relaxed) }
}
