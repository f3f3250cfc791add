import MPI
import System
import Tensors

/// The threads of a rank that compute.
package enum ComputeThreads {
    /// Starts the thread pool and returns the number of threads; collective.
    ///
    /// - Parameter threads: nil for this rank's share of the cores that it may use: ranks of a host that may use the
    ///   same cores, such as those of a socket, divide them.
    package static func start(_ threads: Int?, on communicator: Communicator) throws -> Int {
        let cores = "\(MPIEnvironment.processorName) \(ProcessStatus().allowedCores)"
        let sharing = try communicator.allGather(cores).count { $0 == cores }
        let threads = threads ?? max(1, ThreadPool.usableCores / sharing)
        BLAS.useCallingThreadOnly()
        ThreadPool.shared.resize(threads: threads)
        return threads
    }
}
