import Configuration
import Foundation
import HDF5
import MPI
import System
import Tensors

/// The end of a run without an error.
package enum RunOutcome: Sendable {
    /// All steps are done.
    case finished
    /// A signal or the end of the time stopped it with steps left; a checkpoint holds its state.
    case stopped
}

/// The start and the end of a kaon process.
///
/// Exit codes: 0 when the command is done, 1 after an error with its reason on standard error, 64 for a wrong command
/// line, and `stoppedExitCode` for a run that was stopped with steps left.
package enum Launch {
    /// The exit code of a run that was stopped between two steps, after its checkpoint (EX_TEMPFAIL).
    /// `slurm/pretrain.sbatch` then requeues the job.
    package static let stoppedExitCode: Int32 = 75

    /// The start of this process.
    package static let begin = Date()

    /// Restarts the program with the OpenBLAS kernels for this processor if the library has chosen slower ones, unless
    /// the user has chosen. To be called before MPI starts.
    package static func useBestKernels() {
        let variable = "OPENBLAS_CORETYPE"
        guard getenv(variable) == nil, let core = BLAS.betterCore else { return }
        setenv(variable, core, 1)
        RunningProcess.restartCurrent()
        // If that fails, this process runs on with the slower kernels.
        unsetenv(variable)
    }

    /// Permits 65,536 open files where the system does: data may be in thousands of files, and the usual limit is 1024.
    /// Not more, because programs that are started may close all descriptors up to the limit one by one.
    package static func raiseLimitOfOpenFiles() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, 65_536))
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    /// Returns in the first process of a job and ends the others with `code`, before MPI has started: an error of all
    /// processes, such as a mistake in the arguments, is printed once, and a command without MPI runs once.
    package static func leaveToFirstProcess(code: Int32) {
        let environment = ProcessInfo.processInfo.environment
        let rank =
            environment["OMPI_COMM_WORLD_RANK"] ?? environment["PMIX_RANK"] ?? environment["SLURM_PROCID"]
        guard let rank, rank != "0" else { return }
        // mpirun ends all processes as soon as one fails; the first needs time to print.
        if code != 0 { sleep(2) }
        exit(code)
    }

    /// Starts MPI, runs `body` on every rank, and ends the process.
    ///
    /// An `AgreedError` ends all ranks; rank 0 prints it. Any other error, a broken invariant, exhausted memory and the
    /// end of the launcher end the whole job from the rank that encounters them.
    package static func onAllRanks(_ body: (RunContext) throws -> RunOutcome) -> Never {
        _ = begin
        let launcher = LauncherMonitor()
        do {
            HDF5Library.start()
            try MPIEnvironment.initialize()
        } catch {
            Console(isSilent: false).fail("\(error)")
            exit(1)
        }
        let communicator = Communicator.world
        let console = Console(isSilent: communicator.rank != 0)
        let context = RunContext(communicator, console)
        launcher?.start {
            // SIGALRM ends the rank if the write to the console blocks.
            alarm(10)
            console.failWithoutWaiting("rank \(communicator.rank): the launcher of the job (mpirun, srun) has exited")
            _exit(1)
        }
        installFatalErrorHandler(on: communicator, console: console)
        do {
            let outcome = try body(context)
            MPIEnvironment.finalize()
            guard outcome == .stopped, communicator.rank == 0 else { exit(0) }
            // One rank returns the code, after the others have ended: mpirun and srun kill the remaining processes when
            // one fails.
            if communicator.size > 1 { sleep(1) }
            exit(stoppedExitCode)
        } catch let error as AgreedError {
            if communicator.rank == 0 { console.fail(error.message) }
            MPIEnvironment.finalize()
            exit(1)
        } catch {
            end(after: error, in: context)
        }
    }

    /// Names the rank and its host in the messages of broken invariants and exhausted memory, and ends the whole job
    /// with exit code 1, on whatever thread they occur.
    private static func installFatalErrorHandler(on communicator: Communicator, console: Console) {
        let name = "rank \(communicator.rank) on \(MPIEnvironment.processorName)"
        FatalError.install { message in
            console.failWithoutWaiting("\(name): \(message)")
            guard communicator.size > 1, MPIEnvironment.isInitialized else { _exit(1) }
            communicator.abort(code: 1)
        }
    }

    /// Ends the whole job because of an error on this rank alone.
    ///
    /// - Parameter progress: that of this rank, for the message.
    package static func end(
        after error: any Error, at progress: RankProgress? = nil, in context: RunContext
    ) -> Never {
        let (communicator, console) = (context.communicator, context.console)
        let text = "\(error)"
        if communicator.size == 1 {
            console.fail(text)
            exit(1)
        }
        let host = " on \(MPIEnvironment.processorName)"
        console.fail(
            (text.hasPrefix("rank ") ? text : "rank \(communicator.rank)\(host): \(text)")
                + (progress.map { " (\($0.description))" } ?? ""))
        communicator.abort(code: 1)
    }
}
