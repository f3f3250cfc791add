import Foundation

/// A file that grows by whole records, be they lines or messages. Where the disk is full, none is left half written, and
/// what it has not taken waits for the next.
///
/// One thread writes; another may bring what was written to the disk.
package final class AppendedFile: @unchecked Sendable {
    private let path: String
    private let handle: FileHandle
    /// The bytes of the complete records.
    private var length: UInt64
    private var unwritten = Data()

    /// Opens a file, which is made where there is none, to write after what it has.
    package init(path: String) throws {
        self.path = path
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw KaonError("cannot write \(path): \(systemReason())") }
        handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        length = try handle.seekToEnd()
    }

    /// Appends a record, after those that could not be written before; one that cannot be written is kept.
    package func write(_ record: Data) throws {
        unwritten += record
        try flush()
    }

    /// Writes the records that could not be written before.
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

    /// Brings the records to the disk.
    package func synchronize() throws {
        guard fsync(handle.fileDescriptor) == 0 else {
            throw KaonError("cannot bring \(path) to the disk: \(systemReason())")
        }
    }
}
