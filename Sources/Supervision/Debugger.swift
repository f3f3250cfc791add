import Foundation
import MPI
import Synchronization
import System

/// Holds a rank until a debugger is attached.
package enum Debugger {
    private static let isContinued = Atomic<Bool>(false)

    /// Stops `rank` until a debugger is attached and continues it, or until SIGCONT arrives; the other ranks wait.
    /// Collective. Throws `AgreedError` if the rank does not exist.
    ///
    /// - Parameter rank: nil for none.
    package static func wait(for rank: Int?, on communicator: Communicator) throws {
        guard let rank else { return }
        try communicator.agree {
            guard rank < communicator.size else {
                throw KaonError(
                    "run.wait_for_debugger is \(rank), but the run has \(plural(communicator.size, "rank")), "
                        + "counted from 0")
            }
        }
        if communicator.rank == rank {
            isContinued.store(false, ordering: .relaxed)
            let previous = handleSignal(SIGCONT) { _ in Debugger.isContinued.store(true, ordering: .relaxed) }
            let process = getpid()
            try? FileHandle.standardError.write(
                contentsOf: Data(
                    ("rank \(rank) waits for a debugger: process \(process) on \(MPIEnvironment.processorName) "
                        + "(gdb -p \(process), then continue; or kill -CONT \(process))\n").utf8))
            // An attached debugger halts the process: if this line runs, it has continued it.
            while !isContinued.load(ordering: .relaxed), !ProcessStatus().isTraced { usleep(100_000) }
            restoreSignal(SIGCONT, previous)
        }
        try communicator.barrier()
    }
}
