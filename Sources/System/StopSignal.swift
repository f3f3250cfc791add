import Foundation
import Synchronization

/// The wish of the outside that the run ends soon: SIGTERM, SIGINT or SIGUSR1.
///
/// The first signal is noted, and the training loop acts on it between two steps; more signals change
/// nothing. SIGKILL and SIGQUIT still end the process at once.
package enum StopSignal {
    private static let flag = Atomic<Bool>(false)

    /// From now on the signals no longer end the process, and neither does the end of whoever reads its
    /// output.
    package static func listen() {
        // A handler may do little; the flag has to exist before the first signal comes.
        flag.store(false, ordering: .relaxed)
        for number in [SIGTERM, SIGINT, SIGUSR1] {
            var action = sigaction()
            let handler: @convention(c) (Int32) -> Void = { _ in
                StopSignal.flag.store(true, ordering: .relaxed)
            }
            #if canImport(Glibc)
                action.__sigaction_handler.sa_handler = handler
            #else
                action.__sigaction_u.__sa_handler = handler
            #endif
            // Reading and writing go on after the interruption.
            action.sa_flags = Int32(SA_RESTART)
            sigaction(number, &action, nil)
        }
        signal(SIGPIPE, SIG_IGN)
        // A launcher may have blocked them.
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGTERM, SIGINT, SIGUSR1] { sigaddset(&signals, number) }
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }

    /// Whether a signal has come to this process.
    package static var hasCome: Bool { flag.load(ordering: .relaxed) }
}
