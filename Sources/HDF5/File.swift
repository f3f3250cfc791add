internal import CHDF5
import Glibc
import MPI

/// Whether a file may be changed.
package enum AccessMode: Sendable {
    case read, readWrite
}

/// An open HDF5 file, of one process or shared by the ranks of a communicator.
///
/// Everything is reached from `root`. The file stays open as long as its groups and datasets do, unless
/// `close()` ends them all: used later, they throw. A shared file that is to be written must be closed by
/// `close()`: one that is merely dropped, on the way out with an error for instance, is left as it is.
///
/// On a shared file everything that opens, creates, changes a structure or attribute, or closes is
/// collective, with the same arguments on every rank; only reading and writing the elements of a dataset may
/// be `Transfer.independent`.
package struct File: ~Copyable, Sendable {
    private let file: OpenFile

    /// The group that holds all others.
    package var root: Group { Group(rootOf: file) }

    /// Opens a file that exists; with the communicator's ranks if given (collective).
    ///
    /// `chunkCacheBytes` bounds what is kept of each dataset's chunks between two accesses. Throws
    /// `HDF5Error`, or the same `AgreedError` on every rank if one of them cannot see the file.
    package init(
        opening path: String, _ mode: AccessMode = .read, on communicator: Communicator? = nil,
        chunkCacheBytes: Int = Self.defaultChunkCacheBytes
    ) throws {
        let operation = "open \(path)"
        // One rank that fails inside the collective open would leave the others waiting in it.
        try communicator?.agree { try Self.checkAccess(path, mode, operation) }
        try communicator?.onRoot { try Self.checkFormat(path, operation) }

        let access = try Self.makeAccessList(operation, communicator, chunkCacheBytes)
        let flags = mode == .read ? kaon_H5F_ACC_RDONLY() : kaon_H5F_ACC_RDWR()
        file = try OpenFile(path, communicator, operation) { H5Fopen(path, flags, access.id) }
    }

    /// Creates a file, or empties the one that is there; with the communicator's ranks if given (collective).
    ///
    /// Equal contents make equal bytes: no time of creation is stored. Throws `HDF5Error`.
    ///
    /// - Parameter isSealed: whether there is room for a checksum of all bytes, to be written by
    ///   `FileSeal.write(to:)`
    ///   after the file is closed.
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

    /// Hands what is buffered to the operating system.
    ///
    /// Throws `HDF5Error`, or the same `AgreedError` on all ranks of a shared file.
    package func flush() throws {
        try file.flush("flush \(file.path)")
    }

    /// Closes the file with its groups and datasets.
    ///
    /// Throws `HDF5Error` when what was buffered cannot be written, which a file that merely goes out of
    /// scope hides, or the same `AgreedError` on all ranks of a shared file.
    package consuming func close() throws {
        try file.close()
    }

    /// Closes the file with its groups and datasets without writing what is buffered; for a file of one
    /// process that could not be written and is to be removed.
    package consuming func discard() {
        file.discard()
    }

    /// A chunk larger than the cache, by default 1 MiB, would be decompressed again for every row.
    package static let defaultChunkCacheBytes = 16 << 20

    private static func makeAccessList(
        _ operation: String, _ communicator: Communicator?, _ chunkCacheBytes: Int = defaultChunkCacheBytes
    ) throws -> Handle {
        let list = try Handle(operation, closedBy: H5Pclose) { H5Pcreate(kaon_H5P_FILE_ACCESS()) }
        try HDF5Library.call(operation) { H5Pset_fclose_degree(list.id, H5F_CLOSE_STRONG) }
        // The format of 1.8, which every reader of today knows, lifts the limit of 64 KiB on attributes.
        try HDF5Library.call(operation) { H5Pset_libver_bounds(list.id, H5F_LIBVER_V18, H5F_LIBVER_V110) }
        try HDF5Library.call(operation) { H5Pset_cache(list.id, 0, 521, chunkCacheBytes, 0.75) }
        // MPI-IO takes no locks; parallel file systems may have none, and a child process would inherit them.
        // The variable HDF5_USE_FILE_LOCKING has the last word.
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
            throw HDF5Error(operation: operation, reason: String(cString: strerror(errno)).lowercased())
        }
    }

    private static func checkFormat(_ path: String, _ operation: String) throws {
        guard try HDF5Library.call(operation, { H5Fis_hdf5(path) }) > 0 else {
            throw HDF5Error(operation: operation, reason: "not an HDF5 file")
        }
    }
}
