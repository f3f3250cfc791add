internal import CKernels
import Foundation

/// Ends a rank whose launcher is gone: after a kill of `mpirun` nothing is left running.
///
/// A thread looks for the launcher twice a second. That also wakes a stopped rank: the kernel sends SIGCONT
/// when the parent dies. It is not asked to kill, because it takes the end of the thread that started a rank
/// for the end of the parent, and launchers may start many ranks from threads that end.
package struct LauncherWatch {
    /// What the ranks have in their environment and their launcher has not. A script under Slurm has the last, and
    /// so has an `mpirun` in it.
    private static let marks = ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID"]

    private let parent = getppid()
    private let launcher: pid_t

    /// Finds the nearest ancestor that is not itself of the job: `mpirun`, its daemon or Slurm's; between may be a
    /// script that starts the rank. Nil where this process was started alone. To be called before MPI starts,
    /// which then writes into the environment what it makes of itself.
    package init?() {
        guard let mark = Self.marks.first(where: { (mark: String) in getenv(mark) != nil }) else { return nil }
        var process = parent
        while process > 1, Self.isMarked(process, mark), let next = Self.parent(of: process) { process = next }
        // The first process of a machine or of a container does not end before its children.
        guard process > 1 else { return nil }
        launcher = process
    }

    /// Begins to watch.
    package func start(onEnd end: @escaping @Sendable () -> Void) {
        _ = ck_signal_at_end_of_parent(SIGCONT)
        let thread = Thread {
            while launcher == parent ? getppid() == parent : Self.exists(launcher) { usleep(500_000) }
            end()
        }
        thread.stackSize = 512 << 10
        thread.start()
    }

    private static func isMarked(_ process: pid_t, _ mark: String) -> Bool {
        // Not readable where it belongs to somebody else, as Slurm's do.
        guard let data = FileManager.default.contents(atPath: "/proc/\(process)/environ") else { return false }
        return data.split(separator: 0).contains { $0.starts(with: Data("\(mark)=".utf8)) }
    }

    private static func parent(of process: pid_t) -> pid_t? {
        guard let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8) else { return nil }
        return status.firstMatch(of: /PPid:\s*(\d+)/).flatMap { pid_t($0.1) }
    }

    private static func exists(_ process: pid_t) -> Bool { kill(process, 0) == 0 || errno != ESRCH }
}
