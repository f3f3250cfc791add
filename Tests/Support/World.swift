import Foundation
import HDF5
import MPI

/// Starts MPI unless it is running.
package func startMPI() {
    do {
        HDF5Library.start()
        try MPIEnvironment.initialize()
        // mpirun treats an exit without MPI_Finalize as a crash.
        atexit { MPIEnvironment.finalize() }
    } catch {
        fatalError("the tests need MPI: \(error)")
    }
}

/// The ranks of this test run: those of `mpirun`, or a single one.
///
/// The tests of each room use a communicator of their own, whose messages are separate from those of other tests in the
/// same process.
package func makeWorld() -> Communicator {
    startMPI()
    do { return try Communicator.world.duplicate() } catch { fatalError("the tests need MPI: \(error)") }
}

/// A communicator of this rank only.
package let alone: Communicator = {
    startMPI()
    return .selfOnly
}()
