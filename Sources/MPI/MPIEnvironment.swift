internal import COpenMPI
import Foundation
import Synchronization
import System

/// The life of the MPI library in this process.
package enum MPIEnvironment {
    /// What MPI allows threads to do; each level allows what the one before does.
    package enum ThreadLevel: Int32, Comparable, Sendable {
        /// One thread only.
        case single
        /// Many threads, of which the one that initialised MPI may call it.
        case funneled
        /// Many threads may call MPI, one at a time.
        case serialized
        /// Many threads may call MPI at once.
        case multiple

        package static func < (a: ThreadLevel, b: ThreadLevel) -> Bool { a.rawValue < b.rawValue }
    }

    private static let lifecycle = Mutex(())

    /// Starts MPI, asking that any thread may call it, and returns what was granted; again is harmless.
    ///
    /// Without `mpirun` the process is a world of its own. MPI starts once: throws `MPIError` after its end.
    @discardableResult
    package static func initialize() throws -> ThreadLevel {
        try lifecycle.withLock { _ in
            guard !isFinalized else {
                throw MPIError(call: "MPI_Init_thread", message: "MPI was finalized and cannot start again")
            }
            if !isInitialized {
                // Open MPI would leave a file for locks beside every file that is read, for pointers that
                // ranks share and kaon does not use; the folders of data may be read-only.
                setenv("OMPI_MCA_sharedfp", "^lockedfile", 0)
                var granted: Int32 = 0
                try MPIError.check(
                    MPI_Init_thread(nil, nil, ThreadLevel.multiple.rawValue, &granted), "MPI_Init_thread")
                // The default handler ends the job inside the library; errors shall come back as codes.
                // Communicators made from these two inherit the handler.
                for communicator in [kaon_MPI_COMM_WORLD(), kaon_MPI_COMM_SELF()] {
                    try MPIError.check(
                        MPI_Comm_set_errhandler(communicator, kaon_MPI_ERRORS_RETURN()),
                        "MPI_Comm_set_errhandler")
                }
            }
            return threadLevel
        }
    }

    /// Ends MPI; collective over all ranks. Does nothing when MPI is not running.
    package static func finalize() {
        lifecycle.withLock { _ in
            if isInitialized { _ = MPI_Finalize() }
        }
    }

    /// Whether MPI is running: started, and not yet finalized.
    package static var isInitialized: Bool {
        var started: Int32 = 0
        _ = MPI_Initialized(&started)
        return started != 0 && !isFinalized
    }

    /// What MPI granted to threads; MPI must be running.
    package static var threadLevel: ThreadLevel {
        requireRunning()
        var level: Int32 = 0
        _ = MPI_Query_thread(&level)
        return ThreadLevel(rawValue: level) ?? .single
    }

    /// The library and its version: `Open MPI 4.1.4`.
    package static var libraryVersion: String {
        let text = cString(capacity: MPI_MAX_LIBRARY_VERSION_STRING) { MPI_Get_library_version($0, $1) }
        // The library says "Open MPI v4.1.4, package: Debian OpenMPI, ident: 4.1.4, repo rev: …".
        let name = text.prefix { $0 != "," && !$0.isNewline }
        return String(name.replacing(" v", with: " "))
    }

    /// The name of the machine that this process runs on; MPI must be running.
    package static var processorName: String {
        requireRunning()
        return cString(capacity: MPI_MAX_PROCESSOR_NAME) { MPI_Get_processor_name($0, $1) }
    }

    static var isFinalized: Bool {
        var ended: Int32 = 0
        _ = MPI_Finalized(&ended)
        return ended != 0
    }

    static func requireRunning() {
        invariant(isInitialized, "MPI is not running: MPIEnvironment.initialize() comes first")
    }
}
