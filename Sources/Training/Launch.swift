import Configuration
import Foundation
import MPI
import Tensors

/// How a kaon process starts and ends.
public enum Launch {
    /// Re-executes the program with the OpenBLAS kernels that fit the processor, when the library chose slower ones and
    /// the user none. Has to come before MPI starts.
    public static func useBestKernels() {
        let variable = "OPENBLAS_CORETYPE"
        guard getenv(variable) == nil, let core = BLAS.betterCore else { return }
        setenv(variable, core, 1)
        var arguments = CommandLine.arguments.map { strdup($0) }
        arguments.append(nil)
        execv("/proc/self/exe", arguments)
        // Slower kernels are better than none.
        unsetenv(variable)
    }

    /// Whether this process should speak before MPI has started: it is alone, or the first of its world.
    public static var isFirstProcess: Bool {
        let environment = ProcessInfo.processInfo.environment
        let rank = environment["OMPI_COMM_WORLD_RANK"] ?? environment["PMIX_RANK"] ?? environment["SLURM_PROCID"]
        return rank == nil || rank == "0"
    }

    /// Starts MPI, runs `body` on every rank, and ends the process: with 0, or with 1 and a reason. An error that
    /// concerns one rank alone ends all ranks at once.
    public static func onAllRanks(_ body: (Communicator, Console) throws -> Void) -> Never {
        do {
            _ = try MPIEnvironment.initialize()
        } catch {
            fail(error.localizedDescription)
            exit(1)
        }
        let communicator = Communicator.world
        do {
            try body(communicator, Console(isSilent: communicator.rank != 0))
            MPIEnvironment.finalize()
            exit(0)
        } catch let error as AgreedError {
            if communicator.rank == 0 { fail(error.message) }
            MPIEnvironment.finalize()
            exit(1)
        } catch {
            let text = "\(error)"
            fail(communicator.size == 1 || text.hasPrefix("rank ") ? text : "rank \(communicator.rank): \(text)")
            if communicator.size == 1 { exit(1) }
            communicator.abort(code: 1)
        }
    }

    /// Reads a configuration with its overrides on every rank; all fail alike. The name of the file without its
    /// extension names the run.
    public static func configuration(
        _ path: String, overrides: [String], on communicator: Communicator
    ) throws -> RunOptions {
        try communicator.agree {
            var configuration = try Configuration(contentsOf: path)
            for override in overrides { try configuration.override(override) }
            return try RunOptions(
                configuration, name: URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent)
        }
    }

    /// The paper's k-means model with overrides, for a benchmark without a file.
    public static func benchmarkConfiguration(
        overrides: [String], on communicator: Communicator
    ) throws -> RunOptions {
        try communicator.agree {
            var configuration = try Configuration(
                yaml: "{data: {train: synthetic}, tasks: {particle_id: {}, kmeans: {}}}", name: "the benchmark")
            for override in overrides { try configuration.override(override) }
            return try RunOptions(configuration, name: "benchmark")
        }
    }

    private static func fail(_ text: String) {
        FileHandle.standardError.write(Data("error: \(text)\n".utf8))
    }
}
