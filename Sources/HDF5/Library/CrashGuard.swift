internal import CHDF5
import Glibc
import System

/// Signal handler that names the file HDF5 was reading when the library crashes or does not terminate, which some
/// damaged or hostile metadata cause. The process then ends with exit code 1.
///
///     Error: HDF5 list /model in x.h5: the library crashed (segmentation fault); the file is damaged
///
/// The process cannot continue, because the library may have corrupted its memory. Crashes outside of the library are
/// left to the handlers that were installed before.
enum CrashGuard {
    private struct State {
        /// The number of nested calls of the library, and their thread.
        var depth = 0
        var thread = pthread_self()
        /// The operation, in memory that a signal handler may read.
        var operation: (pointer: UnsafeMutablePointer<UInt8>, count: Int)
    }

    private static let capacity = 1024
    // Written under the library's lock; the handler uses it only on the thread that holds the lock.
    private nonisolated(unsafe) static let state: UnsafeMutablePointer<State> = {
        let state = UnsafeMutablePointer<State>.allocate(capacity: 1)
        state.initialize(to: State(operation: (.allocate(capacity: capacity), 0)))
        return state
    }()

    private static let signals: [(number: Int32, name: StaticString)] = [
        (SIGSEGV, "segmentation fault"), (SIGBUS, "bus error"), (SIGFPE, "arithmetic error"),
        (SIGABRT, "abort"),
    ]
    /// The previous action of each signal.
    private nonisolated(unsafe) static let previous: UnsafeMutablePointer<sigaction> = {
        let actions = UnsafeMutablePointer<sigaction>.allocate(capacity: signals.count)
        actions.initialize(repeating: sigaction(), count: signals.count)
        return actions
    }()

    /// Installs the handlers once, when the first file is opened: after MPI has installed its own.
    static let isInstalled: Bool = {
        _ = (state, previous)
        for (index, signal) in signals.enumerated() {
            let flags = SA_ONSTACK | Int32(bitPattern: UInt32(SA_NODEFER))
            previous[index] = handleSignal(signal.number, flags: flags) { CrashGuard.handle($0) }
        }
        handleSignal(timeSignal, flags: 0) { _ in CrashGuard.end("does not terminate") }
        return true
    }()

    /// The signal of the timer of `limited`, which nothing else uses.
    private static let timeSignal = SIGVTALRM

    /// Limits a call that may not terminate on damaged files to 5 s of processor time, which a slow disk does not use.
    static func limited<R>(_ work: () -> R) -> R {
        var event = sigevent()
        event.sigev_notify = Int32(SIGEV_SIGNAL)
        event.sigev_signo = timeSignal
        // Identifiers of timers are numbers from 0, so that the first is imported as a null pointer.
        var timer: timer_t?
        guard timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) == 0 else { return work() }
        defer { timer_delete(timer) }
        var time = itimerspec(it_interval: timespec(), it_value: timespec(tv_sec: 5, tv_nsec: 0))
        timer_settime(timer, 0, &time, nil)
        return work()
    }

    /// Notes the start of a call. Must be called under the library's lock, as `leave` and `note`.
    static func enter() {
        if state.pointee.depth == 0 { state.pointee.thread = pthread_self() }
        state.pointee.depth += 1
    }

    /// Notes the end of a call.
    static func leave() { state.pointee.depth -= 1 }

    /// Notes the operation for the message.
    static func note(_ operation: String) {
        var operation = operation
        operation.withUTF8 { bytes in
            state.pointee.operation.count = min(bytes.count, capacity)
            if let first = bytes.baseAddress {
                state.pointee.operation.pointer.update(from: first, count: min(bytes.count, capacity))
            }
        }
    }

    /// Ends the process if the library has crashed; otherwise restores the previous action.
    private static func handle(_ signal: Int32) {
        let index = signals.firstIndex { $0.number == signal }!
        guard state.pointee.depth > 0, pthread_equal(state.pointee.thread, pthread_self()) != 0 else {
            // The instruction is executed again and raises the signal again.
            sigaction(signal, previous + index, nil)
            return
        }
        end("crashed", signals[index].name)
    }

    /// Prints the message and ends the process; async-signal-safe.
    private static func end(_ problem: StaticString, _ detail: StaticString? = nil) -> Never {
        func print(_ text: StaticString) { write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount) }
        print("Error: HDF5 ")
        write(STDERR_FILENO, state.pointee.operation.pointer, state.pointee.operation.count)
        print(": the library ")
        print(problem)
        if let detail {
            print(" (")
            print(detail)
            print(")")
        }
        print("; the file is damaged\n")
        _exit(1)
    }
}
