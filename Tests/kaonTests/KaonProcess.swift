import Foundation
import Testing

/// A run of the `kaon` that was built with these tests.
struct KaonProcess {
    /// How a run ended, and what it said.
    struct Outcome {
        let code: Int32
        let output: String
        let errors: String
        let seconds: Double

        /// The lines on standard error that are not mpirun's own.
        var complaints: [String] {
            var isNoise = false
            return errors.split(separator: "\n").map(String.init).filter { line in
                if line.hasPrefix("-----") {
                    isNoise.toggle()
                    return false
                }
                // "[host:1234] 1 more process has sent help message …", "mpirun: Forwarding signal 10 to job"
                return !isNoise && line.prefixMatch(of: #/\[[^ \]]+:\d+\] |mpirun: /#) == nil
            }
        }
    }

    /// Where the tests' own program is; `kaon` is beside it.
    private static let products = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent()

    static var program: String { products.appendingPathComponent("kaon").path }

    private let process = Process()
    private let folder: URL
    private let begin = ContinuousClock.now

    /// Starts `kaon` with some arguments: alone, or on a number of ranks under mpirun. `wrapper` is a command
    /// that runs the one after it.
    init(_ arguments: [String], ranks: Int? = nil, wrapper: [String] = [], output: String? = nil) throws {
        let mpirun = ranks.map { ["mpirun", "--oversubscribe", "-n", "\($0)"] } ?? []
        try self.init(command: mpirun + wrapper + [Self.program] + arguments, output: output)
    }

    /// Starts any command.
    init(command: [String], output: String? = nil) throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("kaon-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.environment = Self.environment
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try Self.file(output ?? folder.appendingPathComponent("output").path)
        process.standardError = try Self.file(folder.appendingPathComponent("errors").path)
        // The threads of the tests block signals, and a child inherits that: mpirun would never hear of one.
        var signals = sigset_t()
        sigfillset(&signals)
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        try process.run()
    }

    private static func file(_ path: String) throws -> FileHandle {
        if !FileManager.default.fileExists(atPath: path) {
            try Data().write(to: URL(fileURLWithPath: path))
        }
        return try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    }

    /// The environment of `scripts/mpi-environment.sh`, without the variables that MPI set in this process, and without
    /// the user's choice of OpenBLAS kernels, which may add a warning to the output.
    private static let environment: [String: String] = {
        var environment = ProcessInfo.processInfo.environment.filter { key, _ in
            key != "OPENBLAS_CORETYPE"
                && !["OMPI_", "PMIX_", "PRTE_", "ORTE_", "SLURM_"].contains { key.hasPrefix($0) }
        }
        environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
        environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
        environment["OMPI_MCA_btl_vader_single_copy_mechanism"] = "none"
        environment["SWIFT_BACKTRACE"] = "enable=no"
        return environment
    }()

    var isRunning: Bool { process.isRunning }

    /// Its standard error so far.
    var errors: String { text("errors") }

    private func text(_ name: String) -> String {
        (try? String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)) ?? ""
    }

    var identifier: Int32 { process.processIdentifier }

    func send(_ signal: Int32) { kill(identifier, signal) }

    /// Waits for the end; after `limit` seconds the process is killed and the test fails.
    func outcome(limit: Double = 120, at location: SourceLocation = #_sourceLocation) throws -> Outcome {
        try wait(limit: limit, "the end of kaon", at: location) { !process.isRunning }
        defer { try? FileManager.default.removeItem(at: folder) }
        return Outcome(
            code: process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus,
            output: text("output"), errors: errors, seconds: begin.duration(to: .now) / .seconds(1))
    }

    /// Waits until something has happened.
    func wait(
        limit: Double = 120, _ event: String, at location: SourceLocation = #_sourceLocation,
        until condition: () -> Bool
    ) throws {
        let deadline = ContinuousClock.now + .seconds(limit)
        while !condition() {
            if ContinuousClock.now > deadline {
                kill(identifier, SIGKILL)
                try #require(
                    Bool(false), "\(event) did not come in \(limit) seconds", sourceLocation: location)
            }
            usleep(10_000)
        }
    }
}

/// Runs `kaon` to its end.
func kaon(
    _ arguments: [String], ranks: Int? = nil, wrapper: [String] = [],
    at location: SourceLocation = #_sourceLocation
) throws -> KaonProcess.Outcome {
    try KaonProcess(arguments, ranks: ranks, wrapper: wrapper).outcome(at: location)
}

/// A new folder, removed when `body` returns.
func withScratchFolder<R>(_ body: (String) throws -> R) throws -> R {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("kaon-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder.path)
}
