internal import CHDF5
import Glibc
import MPI
import System

/// The permitted access to a file.
package enum AccessMode: Sendable {
    case read, readWrite
}

/// An open HDF5 file, of one process or shared by the ranks of a communicator.
///
///     let file = try File(opening: "train.h5")
///     let labels = try file.root.read("labels", as: Int.self)
///
/// All objects are reached from `root`. The file is open as long as any of its groups and datasets exist, or until
/// `close()`; after that, the use of its objects throws. A shared file that has been written must be closed with
/// `close()`: if it is released without, for example after an error, buffered data are not written.
///
/// On a shared file, to open, create or close anything and to change the structure or attributes is collective, with
/// the same arguments on every rank; only the elements of a dataset may be read and written independently
/// (`Transfer.independent`).
package struct File: ~Copyable, Sendable {
    private let file: OpenFile

    /// The group that holds all others.
    package var root: Group { Group(rootOf: file) }

    /// Opens an existing file. Throws `HDF5Error`, or the same `AgreedError` on every rank if one of them cannot open
    /// it.
    ///
    /// - Parameters:
    ///   - communicator: the ranks that share the file (collective); nil for this process alone.
    ///   - chunkCacheBytes: the size of the cache of chunks of each dataset.
    package init(
        opening path: String, _ mode: AccessMode = .read, on communicator: Communicator? = nil,
        chunkCacheBytes: Int = Self.defaultChunkCacheBytes
    ) throws {
        let operation = "open \(path)"
        if let communicator {
            // If one rank failed inside the collective open, the others would wait in it.
            try communicator.agree {
                try Self.checkKind(path, operation)
                try Self.checkAccess(path, mode, operation)
            }
            try communicator.onRoot { try Self.checkFormat(path, operation) }
        } else {
            try Self.checkKind(path, operation)
        }

        let access = try Self.makeAccessList(operation, communicator, chunkCacheBytes)
        let flags = mode == .read ? kaon_H5F_ACC_RDONLY() : kaon_H5F_ACC_RDWR()
        file = try OpenFile(path, communicator, operation) { H5Fopen(path, flags, access.id) }
    }

    /// Creates a file, or empties an existing one. Throws `HDF5Error`.
    ///
    /// Files of equal contents have equal bytes, because no times are stored.
    ///
    /// - Parameters:
    ///   - communicator: the ranks that share the file (collective); nil for this process alone.
    ///   - isSealed: true to reserve space for a checksum of all bytes, which `FileSeal.write(to:)` writes after the
    ///     file is closed.
    package init(creating path: String, on communicator: Communicator? = nil, isSealed: Bool = false) throws {
        let operation = "create \(path)"
        let access = try Self.makeAccessList(operation, communicator)
        let creation = try Handle(operation, closedBy: H5Pclose) { H5Pcreate(kaon_H5P_FILE_CREATE()) }
        try HDF5Library.call(operation) { H5Pset_obj_track_times(creation.id, false) }
        if isSealed {
            try HDF5Library.call(operation) { H5Pset_userblock(creation.id, hsize_t(FileSeal.size)) }
        }
        file = try OpenFile(path, communicator, operation) {
            H5Fcreate(path, kaon_H5F_ACC_TRUNC(), creation.id, access.id)
        }
    }

    /// Passes buffered data to the operating system.
    ///
    /// Throws `HDF5Error`, or the same `AgreedError` on all ranks of a shared file.
    package func flush() throws {
        try file.flush("flush \(file.path)")
    }

    /// Closes the file with its groups and datasets.
    ///
    /// Throws `HDF5Error` if buffered data cannot be written, or the same `AgreedError` on all ranks of a shared file.
    /// A file that goes out of scope ignores such errors.
    package consuming func close() throws {
        try file.close()
    }

    /// Closes the file with its groups and datasets without writing buffered data. For a file of one process that could
    /// not be written and will be removed.
    package consuming func discard() {
        file.discard()
    }

    /// Larger than HDF5's default of 1 MiB: a chunk that exceeds the cache is decompressed again for every row.
    package static let defaultChunkCacheBytes = 16 << 20

    private static func makeAccessList(
        _ operation: String, _ communicator: Communicator?, _ chunkCacheBytes: Int = defaultChunkCacheBytes
    ) throws -> Handle {
        let list = try Handle(operation, closedBy: H5Pclose) { H5Pcreate(kaon_H5P_FILE_ACCESS()) }
        try HDF5Library.call(operation) { H5Pset_fclose_degree(list.id, H5F_CLOSE_STRONG) }
        // The format of HDF5 1.8, which all current readers support, has no limit of 64 KiB on attributes.
        try HDF5Library.call(operation) { H5Pset_libver_bounds(list.id, H5F_LIBVER_V18, H5F_LIBVER_V110) }
        try HDF5Library.call(operation) { H5Pset_cache(list.id, 0, 521, chunkCacheBytes, 0.75) }
        // MPI-IO uses no locks, parallel file systems may not support them, and child processes would inherit them.
        // The environment variable HDF5_USE_FILE_LOCKING takes precedence.
        try HDF5Library.call(operation) { H5Pset_file_locking(list.id, false, true) }
        if let communicator {
            try HDF5Library.call(operation) {
                kaon_H5Pset_fapl_mpio(list.id, UnsafeMutableRawPointer(communicator.cHandle))
            }
        }
        return list
    }

    private static func checkAccess(_ path: String, _ mode: AccessMode, _ operation: String) throws {
        guard access(path, mode == .read ? R_OK : R_OK | W_OK) == 0 else {
            throw HDF5Error(operation: operation, reason: systemReason().lowercased())
        }
    }

    /// Throws `HDF5Error` for a device or a pipe: opening a pipe would wait for its writer.
    static func checkKind(_ path: String, _ operation: String) throws {
        guard !isDeviceOrPipe(path) else {
            throw HDF5Error(operation: operation, reason: "a device or a pipe, not a file")
        }
    }

    private static func checkFormat(_ path: String, _ operation: String) throws {
        guard try HDF5Library.call(operation, { H5Fis_hdf5(path) }) > 0 else {
            throw HDF5Error(operation: operation, reason: "not an HDF5 file")
        }
    }
}
