internal import CHDF5
import Glibc
import MPI
import Synchronization

/// The open file that a `File` and its objects share: closed with the last of them, or earlier by `close()`.
final class OpenFile: Sendable {
    let path: String
    /// The ranks that opened the file together; nil if one process opened it alone.
    let communicator: Communicator?

    let id: hid_t
    /// Nil after the file was closed or abandoned.
    private let handle: Mutex<Handle?>

    var isParallel: Bool { communicator != nil }

    /// Takes ownership of the identifier that `open` returns. Throws `HDF5Error`.
    init(_ path: String, _ communicator: Communicator?, _ operation: String, _ open: () -> hid_t) throws {
        _ = CrashGuard.isInstalled
        let handle = try Handle(operation, closedBy: H5Fclose, open)
        self.path = path
        self.communicator = communicator
        id = handle.id
        self.handle = Mutex(handle)
    }

    deinit {
        // Closing is collective: a rank that releases its file because of an error would wait for the others before it
        // could report the error. After the end of MPI, a shared file cannot be closed.
        if communicator.map({ $0.size == 1 && MPIEnvironment.isInitialized }) ?? true {
            try? close()
        } else {
            handle.withLock { $0.take()?.abandon() }
        }
    }

    /// Writes buffered data. Throws `HDF5Error`, or the same `AgreedError` on all ranks of a shared file.
    func flush(_ operation: String) throws {
        func flush() throws { try HDF5Library.call(operation) { H5Fflush(id, H5F_SCOPE_LOCAL) } }
        if let communicator { try communicator.agree(flush) } else { try flush() }
    }

    /// Closes the file; objects in it throw if they are used later. Throws the errors of `flush`.
    func close() throws {
        let operation = "close \(path)"
        guard let handle = handle.withLock({ $0.take() }) else { return }
        do {
            try flush(operation)
        } catch {
            // After an incomplete close, the library would crash on the objects of the file.
            handle.abandon()
            throw error
        }
        try handle.close(operation)
    }

    /// Closes the file without writing buffered data, after a write has failed.
    ///
    /// The library closes a file only after it has written all buffered data; otherwise the file and its disk space
    /// remain in use until the process ends. The data are therefore redirected to a file in memory.
    func discard() {
        guard let handle = handle.withLock({ $0.take() }) else { return }
        let isRedirected = HDF5Library.locked {
            var descriptor: UnsafeMutableRawPointer?
            let memory = kaon_memory_file()
            guard memory >= 0 else { return false }
            defer { Glibc.close(memory) }
            guard H5Fget_vfd_handle(id, kaon_H5P_DEFAULT(), &descriptor) >= 0, let descriptor else { return false }
            return dup2(memory, descriptor.assumingMemoryBound(to: Int32.self).pointee) >= 0
        }
        if isRedirected { try? handle.close("close \(path)") } else { handle.abandon() }
    }
}

/// The path of an object and its file; as text, `/csts in train.h5`.
struct Place: Sendable, CustomStringConvertible {
    let path: String
    let file: OpenFile

    var description: String { "\(path) in \(file.path)" }

    /// The place of `name`, relative to this one unless `name` begins with a slash.
    func appending(_ name: String) -> Place {
        let path = name.hasPrefix("/") ? name : path == "/" ? "/" + name : "\(path)/\(name)"
        return Place(path: path, file: file)
    }
}
