internal import CHDF5
import Glibc

/// Has the last word when the library crashes or does not come to an end, as it does on some damaged or
/// hostile metadata: the process then ends with a sentence that names the file, and exit code 1.
///
///     Error: HDF5 list /model in x.h5: the library crashed (segmentation fault); the file is damaged
///
/// Nothing more can be done in a process whose memory the library has spoilt. Crashes elsewhere are left to
/// whoever had a word before.
enum CrashGuard {
    private struct State {
        /// How many calls this deep the process is in the library, and in which thread.
        var depth = 0
        var thread = pthread_self()
        /// What is tried, in words that a signal handler may use as they are.
        var words: (pointer: UnsafeMutablePointer<UInt8>, count: Int)
    }

    private static let capacity = 1024
    // Changed by the holder of the library's lock alone; the handler looks only at what its own thread has
    // set.
    private nonisolated(unsafe) static let state: UnsafeMutablePointer<State> = {
        let state = UnsafeMutablePointer<State>.allocate(capacity: 1)
        state.initialize(to: State(words: (.allocate(capacity: capacity), 0)))
        return state
    }()

    private static let signals: [(number: Int32, name: StaticString)] = [
        (SIGSEGV, "segmentation fault"), (SIGBUS, "bus error"), (SIGFPE, "arithmetic error"),
        (SIGABRT, "abort"),
    ]
    /// What was to happen at each signal.
    private nonisolated(unsafe) static let earlier = UnsafeMutablePointer<sigaction>.allocate(
        capacity: signals.count)

    /// Begins to listen, once. MPI has started before that, with handlers of its own, in programs that use
    /// it.
    static let isInstalled: Bool = {
        _ = state
        for (index, signal) in signals.enumerated() {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { CrashGuard.handle($0) }
            action.sa_flags = SA_ONSTACK | Int32(bitPattern: UInt32(SA_NODEFER))
            sigaction(signal.number, &action, earlier + index)
        }
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in CrashGuard.end("does not come to an end") }
        sigaction(timeSignal, &action, nil)
        return true
    }()

    /// What tells that a call has taken its time; a signal that nobody else uses.
    private static let timeSignal = SIGVTALRM

    /// Makes a call that may never return, though it is short otherwise: of the processor, not of a slow
    /// disk, it gets five seconds.
    static func limited<R>(_ work: () -> R) -> R {
        var event = sigevent()
        event.sigev_notify = Int32(SIGEV_SIGNAL)
        event.sigev_signo = timeSignal
        // A number, of which the first, 0, looks like no pointer.
        var timer: timer_t?
        guard timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) == 0 else { return work() }
        defer { timer_delete(timer) }
        var time = itimerspec(it_interval: timespec(), it_value: timespec(tv_sec: 5, tv_nsec: 0))
        timer_settime(timer, 0, &time, nil)
        return work()
    }

    /// A call begins; under the library's lock, as everything here.
    static func enter() {
        if state.pointee.depth == 0 { state.pointee.thread = pthread_self() }
        state.pointee.depth += 1
    }

    /// A call has ended.
    static func leave() { state.pointee.depth -= 1 }

    /// What the call is for.
    static func note(_ operation: String) {
        var operation = operation
        operation.withUTF8 { bytes in
            state.pointee.words.count = min(bytes.count, capacity)
            if let first = bytes.baseAddress {
                state.pointee.words.pointer.update(from: first, count: min(bytes.count, capacity))
            }
        }
    }

    /// Gives way to whoever was there before unless it was the library that crashed.
    private static func handle(_ signal: Int32) {
        let index = signals.firstIndex { $0.number == signal }!
        guard state.pointee.depth > 0, pthread_equal(state.pointee.thread, pthread_self()) != 0 else {
            // The instruction runs once more, and whoever was there before is told.
            sigaction(signal, earlier + index, nil)
            return
        }
        end("crashed", signals[index].name)
    }

    /// Allocates nothing and calls nothing but what a signal handler may.
    private static func end(_ problem: StaticString, _ detail: StaticString? = nil) -> Never {
        func say(_ text: StaticString) { write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount) }
        say("Error: HDF5 ")
        write(STDERR_FILENO, state.pointee.words.pointer, state.pointee.words.count)
        say(": the library ")
        say(problem)
        if let detail {
            say(" (")
            say(detail)
            say(")")
        }
        say("; the file is damaged\n")
        _exit(1)
    }
}
