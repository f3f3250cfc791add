import Foundation
import HDF5
import MPI

/// Starts MPI where it does not run.
package func startMPI() {
    do {
        HDF5Library.start()
        try MPIEnvironment.initialize()
        // mpirun takes an exit without this for a crash.
        atexit { MPIEnvironment.finalize() }
    } catch {
        fatalError("the tests need MPI: \(error)")
    }
}

/// The ranks of this test run: those of `mpirun`, or one alone.
///
/// Each room has a context of its own, which keeps its tests apart from others that run in the same process.
package func makeWorld() -> Communicator {
    startMPI()
    do { return try Communicator.world.duplicate() } catch { fatalError("the tests need MPI: \(error)") }
}

/// One rank alone.
package let alone: Communicator = {
    startMPI()
    return .selfOnly
}()
