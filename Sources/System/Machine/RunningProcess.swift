internal import CKernels
import Foundation

/// A process on this host.
package struct RunningProcess: Sendable, Equatable {
    package let id: pid_t

    package init(_ id: pid_t) { self.id = id }

    package static var current: RunningProcess { RunningProcess(getpid()) }

    /// The parent of the current process, which the first process of the host replaces when it exits.
    package static var parentOfCurrent: RunningProcess { RunningProcess(getppid()) }

    package var status: ProcessStatus { ProcessStatus(process: "\(id)") }

    /// The parent; nil if the process is gone.
    package var parent: RunningProcess? { status.parent.map(RunningProcess.init) }

    /// False once the process has ended and its parent has collected its exit code.
    package var exists: Bool { kill(id, 0) == 0 || errno != ESRCH }

    /// True if the environment that the process was started with has the variable; false if the environment cannot be
    /// read, such as that of another user's process.
    package func wasStarted(withVariable name: String) -> Bool {
        guard let text = systemText("/proc/\(id)/environ") else { return false }
        return text.split(separator: "\0").contains { $0.hasPrefix("\(name)=") }
    }

    /// The path of the standard output, such as `/dev/pts/3`; nil if the process is gone or belongs to another user.
    package var standardOutput: String? {
        try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(id)/fd/1")
    }

    /// Sends this process `signal` when the thread that started it ends. Does nothing where the system cannot.
    package static func signalCurrentAtEndOfParent(_ signal: Int32) { _ = ck_signal_at_end_of_parent(signal) }

    /// Replaces this process by a new run of the same program with the same arguments; returns on failure only.
    package static func restartCurrent() {
        var arguments = CommandLine.arguments.map { strdup($0) }
        arguments.append(nil)
        execv("/proc/self/exe", arguments)
        for argument in arguments { free(argument) }
    }
}
