import Foundation
import MPI
import Synchronization
import System

/// Lets a rank wait until somebody looks at it.
package enum Debugger {
    private static let continued = Atomic<Bool>(false)

    /// Stops `rank` here until a debugger is attached and lets it go on, or SIGCONT comes; the others wait for
    /// it. Nil for no rank; collective. Throws `AgreedError` when there is no such rank.
    package static func wait(for rank: Int?, on communicator: Communicator) throws {
        guard let rank else { return }
        try communicator.agree {
            guard rank < communicator.size else {
                throw KaonError(
                    "run.wait_for_debugger is \(rank), but the ranks are 0 to \(communicator.size - 1)")
            }
        }
        if communicator.rank == rank {
            continued.store(false, ordering: .relaxed)
            signal(SIGCONT) { _ in Debugger.continued.store(true, ordering: .relaxed) }
            let process = getpid()
            try? FileHandle.standardError.write(
                contentsOf: Data(
                    ("rank \(rank) waits for a debugger: process \(process) on \(MPIEnvironment.processorName) "
                        + "(gdb -p \(process), then continue; or kill -CONT \(process))\n").utf8))
            while !continued.load(ordering: .relaxed), !isTraced { usleep(100_000) }
            signal(SIGCONT, SIG_DFL)
        }
        try communicator.barrier()
    }

    /// A debugger that has just attached holds the process; whoever reads this has been let go on.
    private static var isTraced: Bool {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        return status.firstMatch(of: /TracerPid:\s*([0-9]+)/).map { $0.1 != "0" } ?? false
    }
}
