internal import CHDF5
import Glibc
import MPI
import Synchronization

/// The file that a `File` and the objects in it share: closed with the last of them, or before by `close()`.
final class OpenFile: Sendable {
    let path: String
    /// The ranks that opened the file together; nil if one process opened it alone.
    let communicator: Communicator?

    let id: hid_t
    /// Nil once the file was closed, or given up.
    private let handle: Mutex<Handle?>

    var isParallel: Bool { communicator != nil }

    /// Takes over the identifier that `open` returns. Throws `HDF5Error`.
    init(_ path: String, _ communicator: Communicator?, _ operation: String, _ open: () -> hid_t) throws {
        _ = CrashGuard.isInstalled
        let handle = try Handle(operation, closedBy: H5Fclose, open)
        self.path = path
        self.communicator = communicator
        id = handle.id
        self.handle = Mutex(handle)
    }

    deinit {
        // To close is collective: a rank that drops its file on an error would wait for the others, and never
        // tell. After the end of MPI nothing of it can be closed.
        if communicator.map({ $0.size == 1 && MPIEnvironment.isInitialized }) ?? true {
            try? close()
        } else {
            handle.withLock { $0.take()?.abandon() }
        }
    }

    /// Writes what is buffered. Throws `HDF5Error`, or the same `AgreedError` on all ranks of a shared file.
    func flush(_ operation: String) throws {
        func flush() throws { try HDF5Library.call(operation) { H5Fflush(id, H5F_SCOPE_LOCAL) } }
        if let communicator { try communicator.agree(flush) } else { try flush() }
    }

    /// Closes the file; objects in it that are used later throw. Throws as `flush` does.
    func close() throws {
        let operation = "close \(path)"
        guard let handle = handle.withLock({ $0.take() }) else { return }
        do {
            try flush(operation)
        } catch {
            // The library crashes on the objects of a file that it closed halfway.
            handle.abandon()
            throw error
        }
        try handle.close(operation)
    }

    /// Closes the file without a byte more in it, for when it cannot be written.
    ///
    /// The library lets go of a file only once all that it has buffered is written; where that fails, file and
    /// space stay taken until the process ends. So what is left goes to memory, and then nowhere.
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

/// Where an object is; in words, `/csts in train.h5`.
struct Place: Sendable, CustomStringConvertible {
    let path: String
    let file: OpenFile

    var description: String { "\(path) in \(file.path)" }

    /// The place of `name`, relative to this one unless it begins with a slash.
    func appending(_ name: String) -> Place {
        let path = name.hasPrefix("/") ? name : path == "/" ? "/" + name : "\(path)/\(name)"
        return Place(path: path, file: file)
    }
}
