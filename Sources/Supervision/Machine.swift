import Foundation
import MPI
import Tensors

/// What this rank runs on.
package enum Machine {
    /// Starts the pool with the given number of threads, by default the cores that this rank may use; returns
    /// it.
    package static func useThreads(_ threads: Int?, on communicator: Communicator) throws -> Int {
        let hosts = try communicator.allGather(MPIEnvironment.processorName)
        let neighbours = hosts.count { $0 == MPIEnvironment.processorName }
        let threads = threads ?? defaultThreads(ranksOnHost: neighbours)
        BLAS.useCallingThreadOnly()
        ThreadPool.shared.resize(threads: threads)
        return threads
    }

    /// A rank that is bound has its cores to itself; ranks that are not bound share the cores of the host.
    private static func defaultThreads(ranksOnHost: Int) -> Int {
        let cores = ProcessInfo.processInfo.activeProcessorCount
        let usable = ThreadPool.usableCores
        return max(1, usable < cores ? usable : cores / ranksOnHost)
    }
}
