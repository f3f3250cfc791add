import Glibc
import MPI

/// The ranks of this test run: those of `mpirun`, or one alone.
///
/// A context of its own keeps these tests apart from others that run in the same process.
let world: Communicator = {
    do {
        try MPIEnvironment.initialize()
        // mpirun takes an exit without this for a crash.
        atexit { MPIEnvironment.finalize() }
        return try Communicator.world.duplicate()
    } catch {
        fatalError("the tests need MPI: \(error)")
    }
}()

/// A failure to throw in tests.
struct Failure: Error, CustomStringConvertible {
    let description: String
}
