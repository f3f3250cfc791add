internal import CHDF5
import MPI
import Synchronization

/// The file that a `File` and the objects in it share: it is closed with the last of them, or before by `close()`.
final class OpenFile: Sendable {
    let path: String
    /// The ranks that opened the file together; nil if one process opened it alone.
    let communicator: Communicator?

    let id: hid_t
    /// Nil once the file was closed.
    private let handle: Mutex<Handle?>

    var isParallel: Bool { communicator != nil }

    init(path: String, communicator: Communicator?, _ handle: consuming Handle) {
        self.path = path
        self.communicator = communicator
        id = handle.id
        self.handle = Mutex(handle)
    }

    /// Closes the file; objects in it that are used later throw. Throws `HDF5Error`.
    func close() throws {
        let handle = handle.withLock { $0.take() }
        try handle?.close("close \(path)")
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
