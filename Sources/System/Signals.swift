import Foundation

/// Calls `handler` when a signal arrives, and returns the action that it replaces.
///
///     handleSignal(SIGUSR1) { _ in flag.store(true, ordering: .relaxed) }
///
/// The handler may call async-signal-safe functions only. By default, interrupted system calls are restarted.
@discardableResult
package func handleSignal(
    _ number: Int32, flags: Int32 = Int32(SA_RESTART), _ handler: @escaping @convention(c) (Int32) -> Void
) -> sigaction {
    var (action, previous) = (sigaction(), sigaction())
    action.__sigaction_handler.sa_handler = handler
    action.sa_flags = flags
    sigaction(number, &action, &previous)
    return previous
}

/// Restores the action of a signal that `handleSignal` returned.
package func restoreSignal(_ number: Int32, _ action: sigaction) {
    var action = action
    sigaction(number, &action, nil)
}

/// The present handling of a signal by this process.
package enum SignalAction: Int {
    /// The action of the system; that of most signals ends the process.
    case standard = 0
    case ignored = 1
    case handled = 2

    package init(of number: Int32) {
        var action = sigaction()
        sigaction(number, nil, &action)
        // SIG_DFL and SIG_IGN are the addresses 0 and 1.
        self = SignalAction(rawValue: unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)) ?? .handled
    }
}

/// Ignores a signal.
package func ignoreSignal(_ number: Int32) { signal(number, SIG_IGN) }

/// Delivers signals to this thread that the process was started with blocked.
package func unblockSignals(_ numbers: [Int32]) {
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in numbers { sigaddset(&signals, number) }
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
}
