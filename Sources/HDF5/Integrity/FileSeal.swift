import Glibc
import Synchronization
import System

/// A checksum of all bytes of an HDF5 file, stored before the data of HDF5.
///
/// HDF5 has checksums for a part of its metadata only, and on some damage of the rest it crashes or does not terminate.
/// A sealed file is therefore opened only if all its bytes are as they were written.
///
/// The seal is a text in the user block, 512 bytes that readers of HDF5 skip: `kaonseal`, the checksum and the length
/// of the file.
package enum FileSeal {
    static let size = 512
    private static let mark = "kaonseal"
    private static let signature: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]

    /// Seals a closed file that `File(creating:isSealed:)` has created. Throws `HDF5Error`.
    package static func write(to path: String) throws {
        let operation = "seal \(path)"
        let file = try Descriptor(path, O_RDWR, operation)
        let block = try seal(of: file, operation)
        // A network file system may report an exceeded quota only when the file is synchronized.
        guard block.withUnsafeBytes({ pwrite(file.number, $0.baseAddress!, size, 0) }) == size,
            fsync(file.number) == 0
        else { throw systemError(operation) }
    }

    /// Files that this process has verified.
    private static let verified = Mutex<Set<Identity>>([])

    /// Throws `HDF5Error` if a file has changed since it was sealed. Accepts HDF5 files without a seal.
    ///
    /// A file is read once, however often it is opened, unless it has changed within the last seconds: times of files
    /// are too coarse to tell a further change from that.
    package static func verify(_ path: String) throws {
        let operation = "open \(path)"
        try File.checkKind(path, operation)
        let file = try Descriptor(path, O_RDONLY, operation)
        let identity = file.identity
        if let identity, verified.withLock({ $0.contains(identity) }) { return }
        try verify(file, operation)
        if let identity, identity.isSettled { verified.withLock { _ = $0.insert(identity) } }
    }

    private static func verify(_ file: borrowing Descriptor, _ operation: String) throws {
        var block = [UInt8](repeating: 0, count: size)
        let count = try file.read(into: &block, operation)
        if block.starts(with: signature) { return }
        guard count == size, block.starts(with: mark.utf8) else {
            if !isDamagedSeal(block), file.hasSignature(signature) { return }
            throw HDF5Error(operation: operation, reason: "not an HDF5 file")
        }
        guard try block == seal(of: file, operation) else {
            throw HDF5Error(
                operation: operation, reason: "the file is damaged or cut: its bytes do not fit its checksum")
        }
    }

    /// The checksum in the seal of a file, in hexadecimal, which identifies its contents; for a file without a seal,
    /// the one that it would have. The file is not verified. Throws `HDF5Error`.
    package static func checksum(of path: String) throws -> String {
        let operation = "open \(path)"
        try File.checkKind(path, operation)
        let file = try Descriptor(path, O_RDONLY, operation)
        var block = [UInt8](repeating: 0, count: size)
        _ = try file.read(into: &block, operation)
        if !block.starts(with: mark.utf8) { block = try seal(of: file, operation) }
        return String(decoding: block.dropFirst(mark.utf8.count + 1).prefix(16), as: UTF8.self)
    }

    /// True if a block resembles a seal more than the user block of another program: half of the mark is right, or the
    /// text before the length.
    private static func isDamagedSeal(_ block: [UInt8]) -> Bool {
        zip(block, mark.utf8).count { $0 == $1 } >= mark.utf8.count / 2
            || block.dropFirst(mark.utf8.count + 17).starts(with: " of ".utf8)
    }

    /// The expected seal, computed from the other bytes of the file.
    private static func seal(of file: borrowing Descriptor, _ operation: String) throws -> [UInt8] {
        guard lseek(file.number, off_t(size), SEEK_SET) >= 0 else { throw systemError(operation) }
        var checksum = Checksum()
        var length = size
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while case let count = try file.read(into: &buffer, operation), count > 0 {
            buffer.withUnsafeBytes { checksum.add(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            length += count
        }
        let hexadecimal = String(checksum.value, radix: 16)
        let text =
            "\(mark) \(String(repeating: "0", count: 16 - hexadecimal.count))\(hexadecimal) "
            + "of \(length) bytes\n"
        return Array(text.utf8) + [UInt8](repeating: 0, count: size - text.utf8.count)
    }

    private static func systemError(_ operation: String) -> HDF5Error {
        HDF5Error(operation: operation, reason: systemReason().lowercased(), systemError: errno)
    }

    /// The contents of a file at a time.
    private struct Identity: Hashable {
        let device, inode, size: Int
        let modified, changed: [Int]

        /// True if the last change was more than two seconds ago.
        var isSettled: Bool { max(modified[0], changed[0]) + 2 < time(nil) }
    }

    /// An open file descriptor.
    private struct Descriptor: ~Copyable {
        let number: Int32

        init(_ path: String, _ flags: Int32, _ operation: String) throws {
            number = open(path, flags | O_CLOEXEC)
            if number < 0 { throw systemError(operation) }
        }

        deinit { close(number) }

        var identity: Identity? {
            var status = stat()
            guard fstat(number, &status) == 0 else { return nil }
            return Identity(
                device: Int(status.st_dev), inode: Int(status.st_ino), size: Int(status.st_size),
                modified: [status.st_mtim.tv_sec, status.st_mtim.tv_nsec],
                changed: [status.st_ctim.tv_sec, status.st_ctim.tv_nsec])
        }

        /// True if HDF5 data follow a user block, whose size is 512 bytes or a larger power of two.
        func hasSignature(_ signature: [UInt8]) -> Bool {
            var found = signature
            var position = off_t(FileSeal.size)
            while position > 0, pread(number, &found, signature.count, position) == signature.count {
                if found == signature { return true }
                position <<= 1
            }
            return false
        }

        /// Reads up to the size of the buffer; returns the number of bytes, which is smaller at the end of the file.
        func read(into buffer: inout [UInt8], _ operation: String) throws -> Int {
            try buffer.withUnsafeMutableBytes { bytes in
                var done = 0
                while done < bytes.count {
                    let count = Glibc.read(number, bytes.baseAddress! + done, bytes.count - done)
                    if count < 0, errno == EINTR { continue }
                    if count < 0 { throw systemError(operation) }
                    if count == 0 { break }
                    done += count
                }
                return done
            }
        }
    }
}
