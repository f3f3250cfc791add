import Foundation

/// A file to which whole records are appended, such as lines or messages.
///
/// When the disk is full, a partly written record is cut off, and the records that could not be written are kept in
/// memory until the next write. One thread may write while another calls `synchronize`.
package final class AppendedFile: @unchecked Sendable {
    private let path: String
    private let handle: FileHandle
    /// The length of the complete records in the file [bytes].
    private var length: UInt64
    private var unwritten = Data()

    /// Opens a file to append to its content; creates it if it does not exist. Throws `KaonError`.
    package init(path: String) throws {
        self.path = path
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw KaonError("cannot write \(path): \(systemReason())") }
        handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        length = try handle.seekToEnd()
    }

    /// Appends a record after those that could not be written earlier. If it cannot be written, throws `KaonError` and
    /// keeps it.
    package func write(_ record: Data) throws {
        unwritten += record
        try flush()
    }

    /// Writes the records that could not be written earlier. Throws `KaonError`.
    package func flush() throws {
        guard !unwritten.isEmpty else { return }
        do {
            try handle.write(contentsOf: unwritten)
            length += UInt64(unwritten.count)
            unwritten = Data()
        } catch {
            try? handle.truncate(atOffset: length)
            throw KaonError("cannot write \(path): \(reason(error))")
        }
    }

    /// Writes buffered records to the disk. Throws `KaonError`.
    package func synchronize() throws {
        guard fsync(handle.fileDescriptor) == 0 else {
            throw KaonError("cannot write \(path) to the disk: \(systemReason())")
        }
    }
}
