import Configuration
import Foundation
import HDF5
import MPI
import System
import Tensors

/// How a run came to its end.
package enum RunOutcome: Sendable {
    /// All steps are done.
    case finished
    /// A signal asked it to stop; a checkpoint holds what was done, and steps are left.
    case stopped
}

/// How a kaon process starts and ends.
///
/// Exit codes: 0 when all is done, 1 after an error with its reason on standard error, 64 for a wrong command
/// line, and `stoppedExitCode` after a signal that asked the run to stop.
package enum Launch {
    /// The exit code of a run that a signal stopped between two steps, its checkpoint written: "come again"
    /// (EX_TEMPFAIL). `slurm/pretrain.sbatch` then queues the job again.
    package static let stoppedExitCode: Int32 = 75

    /// When this process began, as near as it knows.
    package static let begin = Date()

    /// Re-executes the program with the OpenBLAS kernels that fit the processor, when the library chose
    /// slower ones and the user none. Has to come before MPI starts.
    package static func useBestKernels() {
        let variable = "OPENBLAS_CORETYPE"
        guard getenv(variable) == nil, let core = BLAS.betterCore else { return }
        setenv(variable, core, 1)
        var arguments = CommandLine.arguments.map { strdup($0) }
        arguments.append(nil)
        execv("/proc/self/exe", arguments)
        // Slower kernels are better than none.
        unsetenv(variable)
    }

    /// Lets the first process of a job speak about what every one of them meets before MPI has started, such
    /// as a mistake in the arguments: returns in the first, and ends the others with `code` after a while.
    package static func leaveToFirstProcess(code: Int32) {
        let environment = ProcessInfo.processInfo.environment
        let rank =
            environment["OMPI_COMM_WORLD_RANK"] ?? environment["PMIX_RANK"] ?? environment["SLURM_PROCID"]
        guard let rank, rank != "0" else { return }
        // mpirun ends all processes as soon as one fails; the first has to have spoken by then.
        if code != 0 { sleep(2) }
        exit(code)
    }

    /// Starts MPI, runs `body` on every rank, and ends the process.
    package static func onAllRanks(_ body: (Communicator, Console) throws -> RunOutcome) -> Never {
        _ = begin
        let watch = LauncherWatch()
        do {
            HDF5Library.start()
            try MPIEnvironment.initialize()
        } catch {
            Console(isSilent: false).fail("\(error)")
            exit(1)
        }
        let communicator = Communicator.world
        let console = Console(isSilent: communicator.rank != 0)
        watch?.start {
            // Whatever hangs, a thread that holds the console or a write to it, the rank ends.
            alarm(10)
            console.failAtOnce("rank \(communicator.rank): the launcher of the job (mpirun, srun) is gone")
            _exit(1)
        }
        do {
            let outcome = try body(communicator, console)
            MPIEnvironment.finalize()
            guard outcome == .stopped, communicator.rank == 0 else { exit(0) }
            // One rank tells, once the others have left: mpirun and srun kill what still runs when a process
            // fails.
            if communicator.size > 1 { sleep(1) }
            exit(stoppedExitCode)
        } catch let error as AgreedError {
            if communicator.rank == 0 { console.fail(error.message) }
            MPIEnvironment.finalize()
            exit(1)
        } catch {
            end(after: error, on: communicator, console: console)
        }
    }

    /// Ends the whole job because of an error that the other ranks do not know of.
    ///
    /// To be called before files that the ranks share go out of scope: closing them waits for the other
    /// ranks.
    ///
    /// - Parameter place: what this rank was doing, where that is known.
    package static func end(
        after error: any Error, in place: ProgressMark? = nil, on communicator: Communicator, console: Console
    ) -> Never {
        let text = "\(error)"
        if communicator.size == 1 {
            console.fail(text)
            exit(1)
        }
        let host = " on \(MPIEnvironment.processorName)"
        console.fail(
            (text.hasPrefix("rank ") ? text : "rank \(communicator.rank)\(host): \(text)")
                + (place.map { " (\($0.place))" } ?? ""))
        communicator.abort(code: 1)
    }
}
