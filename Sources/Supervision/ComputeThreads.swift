import Foundation
import MPI
import Tensors

/// The threads of a rank that compute.
package enum ComputeThreads {
    /// Starts the thread pool and returns the number of threads; collective.
    ///
    /// - Parameter threads: nil for the cores that are available to this rank. A rank that is bound has its cores to
    ///   itself; ranks that are not bound share the cores of their host.
    package static func start(_ threads: Int?, on communicator: Communicator) throws -> Int {
        let hosts = try communicator.allGather(MPIEnvironment.processorName)
        let ranksOnHost = hosts.count { $0 == MPIEnvironment.processorName }
        let threads = threads ?? defaultThreads(ranksOnHost: ranksOnHost)
        BLAS.useCallingThreadOnly()
        ThreadPool.shared.resize(threads: threads)
        return threads
    }

    private static func defaultThreads(ranksOnHost: Int) -> Int {
        let cores = ProcessInfo.processInfo.activeProcessorCount
        let usable = ThreadPool.usableCores
        return max(1, usable < cores ? usable : cores / ranksOnHost)
    }
}
