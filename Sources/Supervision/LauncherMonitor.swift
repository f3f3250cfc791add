import Foundation
import System

/// Terminates a rank when its launcher has exited, so that no process remains after a kill of `mpirun`.
///
/// A thread checks twice a second that the launcher is running. The kernel sends SIGCONT when the parent exits, so that
/// a stopped rank checks, too. It is not made to send SIGKILL (`PR_SET_PDEATHSIG`), because it takes the end of the
/// thread that started the rank for the end of the parent, and launchers may start ranks from short-lived threads.
package struct LauncherMonitor {
    /// Variables in the environment of the ranks but not of their launcher. Under Slurm, a batch script and an `mpirun`
    /// in it have the last one, too.
    private static let rankVariables = ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID"]

    private let parent = RunningProcess.parentOfCurrent
    private let launcher: RunningProcess

    /// Finds the nearest ancestor that does not belong to the job: `mpirun`, its daemon or Slurm's. Scripts that start
    /// the ranks may be in between. Nil if no launcher started this process.
    ///
    /// To be called before MPI starts, which sets the variables itself.
    package init?() {
        guard let variable = Self.rankVariables.first(where: { getenv($0) != nil }) else { return nil }
        var process = parent
        while process.id > 1, process.wasStarted(withVariable: variable), let next = process.parent { process = next }
        // The first process of a host or a container outlives all others.
        guard process.id > 1 else { return nil }
        launcher = process
    }

    /// Starts the thread, which calls `end` when the launcher has exited.
    package func start(onEnd end: @escaping @Sendable () -> Void) {
        RunningProcess.signalCurrentAtEndOfParent(SIGCONT)
        let thread = Thread {
            while launcher == parent ? RunningProcess.parentOfCurrent == parent : launcher.exists { usleep(500_000) }
            end()
        }
        thread.stackSize = 512 << 10
        thread.start()
    }
}
