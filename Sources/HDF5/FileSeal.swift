import Glibc

/// A checksum of all bytes of a file, before the first that HDF5 knows of.
///
/// What HDF5 stores about the data has checksums of its own in part only, and the library crashes or never
/// returns on some of the damage that they do not show. A sealed file is not handed to it unless every byte
/// is as it was written.
///
/// The seal is text in the file's user block, 512 bytes that readers of HDF5 skip: `kaonseal`, the checksum,
/// and the length of the file.
package enum FileSeal {
    static let size = 512
    private static let mark = "kaonseal"
    private static let signature: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]

    /// Seals a file that was made by `File(creating:isSealed:)` and is closed. Throws `HDF5Error`.
    package static func write(to path: String) throws {
        let operation = "seal \(path)"
        let file = try Descriptor(path, O_RDWR, operation)
        let block = try seal(of: file, operation)
        // A network file system may tell of a full quota only when the bytes are brought to the disk.
        guard block.withUnsafeBytes({ pwrite(file.number, $0.baseAddress!, size, 0) }) == size,
            fsync(file.number) == 0
        else { throw refusal(operation) }
    }

    /// Throws `HDF5Error` where a file is not as it was sealed. A file without a seal, which begins as HDF5
    /// has it, passes.
    package static func verify(_ path: String) throws {
        let operation = "open \(path)"
        let file = try Descriptor(path, O_RDONLY, operation)
        var block = [UInt8](repeating: 0, count: size)
        let count = try file.read(into: &block, operation)
        if block.starts(with: signature) { return }
        guard count == size, block.starts(with: mark.utf8) else {
            throw HDF5Error(operation: operation, reason: "not an HDF5 file")
        }
        guard try block == seal(of: file, operation) else {
            throw HDF5Error(
                operation: operation, reason: "the file is damaged or cut: its bytes do not fit its checksum")
        }
    }

    /// The first bytes of a file as they should be, from all others.
    private static func seal(of file: borrowing Descriptor, _ operation: String) throws -> [UInt8] {
        guard lseek(file.number, off_t(size), SEEK_SET) >= 0 else { throw refusal(operation) }
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

    private static func refusal(_ operation: String) -> HDF5Error {
        HDF5Error(operation: operation, reason: String(cString: strerror(errno)).lowercased(), systemError: errno)
    }

    /// An open file of the system.
    private struct Descriptor: ~Copyable {
        let number: Int32

        init(_ path: String, _ flags: Int32, _ operation: String) throws {
            number = open(path, flags | O_CLOEXEC)
            if number < 0 { throw refusal(operation) }
        }

        deinit { close(number) }

        /// Fills the buffer unless the file ends before; returns the number of bytes.
        func read(into buffer: inout [UInt8], _ operation: String) throws -> Int {
            try buffer.withUnsafeMutableBytes { bytes in
                var done = 0
                while done < bytes.count {
                    let count = Glibc.read(number, bytes.baseAddress! + done, bytes.count - done)
                    if count < 0, errno == EINTR { continue }
                    if count < 0 { throw refusal(operation) }
                    if count == 0 { break }
                    done += count
                }
                return done
            }
        }
    }
}
