internal import COpenMPI
import Foundation
import Synchronization
import System

/// The start, the end and the properties of the MPI library in this process.
package enum MPIEnvironment {
    /// The support of MPI for threads; each level includes the previous one.
    package enum ThreadLevel: Int32, Comparable, Sendable {
        /// One thread only.
        case single
        /// Many threads; only the one that started MPI may call it.
        case funneled
        /// Many threads; they may call MPI one at a time.
        case serialized
        /// Many threads; they may call MPI at once.
        case multiple

        package static func < (a: ThreadLevel, b: ThreadLevel) -> Bool { a.rawValue < b.rawValue }
    }

    /// The files of Open MPI whose names were removed at the start.
    private static let lifecycle = Mutex<SegmentFiles?>(nil)

    /// Starts MPI with a request for `ThreadLevel.multiple`, and returns the level that it provides. Does nothing if
    /// MPI is running.
    ///
    /// Without `mpirun`, the job has one rank. MPI cannot be restarted: throws `MPIError` after `finalize()`.
    @discardableResult
    package static func initialize() throws -> ThreadLevel {
        try lifecycle.withLock { segments in
            guard !isFinalized else {
                throw MPIError(call: "MPI_Init_thread", message: "MPI was finalized and cannot start again")
            }
            if !isInitialized {
                // For shared file pointers, which kaon does not use, Open MPI would create a lock file beside every
                // open file, also in the folders of the data, which may be read-only, or a file in shared memory, which
                // fails without a writable /dev/shm and for file names of more than about 230 bytes.
                setenv("OMPI_MCA_sharedfp", "^lockedfile,sm", 0)
                var granted: Int32 = 0
                try MPIError.check(
                    MPI_Init_thread(nil, nil, ThreadLevel.multiple.rawValue, &granted), "MPI_Init_thread")
                // Return error codes instead of ending the job inside the library. Communicators that are created
                // from these two inherit the handler.
                for communicator in [kaon_MPI_COMM_WORLD(), kaon_MPI_COMM_SELF()] {
                    try MPIError.check(
                        MPI_Comm_set_errhandler(communicator, kaon_MPI_ERRORS_RETURN()),
                        "MPI_Comm_set_errhandler")
                }
                try MPIError.check(MPI_Barrier(kaon_MPI_COMM_WORLD()), "MPI_Barrier")
                segments = SegmentFiles()
                segments?.remove()
            }
            return threadLevel
        }
    }

    /// Ends MPI; collective over all ranks. Does nothing if MPI is not running.
    package static func finalize() {
        lifecycle.withLock { segments in
            guard isInitialized else { return }
            segments?.restore()
            // No rank restores a file that its owner has already removed.
            _ = MPI_Barrier(kaon_MPI_COMM_WORLD())
            _ = MPI_Finalize()
        }
    }

    /// True if MPI has been started and not finalized.
    package static var isInitialized: Bool {
        var started: Int32 = 0
        _ = MPI_Initialized(&started)
        return started != 0 && !isFinalized
    }

    /// The level that MPI provides; MPI must be running.
    package static var threadLevel: ThreadLevel {
        requireRunning()
        var level: Int32 = 0
        _ = MPI_Query_thread(&level)
        return ThreadLevel(rawValue: level) ?? .single
    }

    /// The name and version of the library: `Open MPI 4.1.4`.
    package static var libraryVersion: String {
        let text = cString(capacity: MPI_MAX_LIBRARY_VERSION_STRING) { MPI_Get_library_version($0, $1) }
        // From "Open MPI v4.1.4, package: Debian OpenMPI, ident: 4.1.4, repo rev: …".
        let name = text.prefix { $0 != "," && !$0.isNewline }
        return String(name.replacing(" v", with: " "))
    }

    /// The name of this host; MPI must be running.
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
        invariant(isInitialized, "MPI is used before MPIEnvironment.initialize() or after finalize()")
    }
}
