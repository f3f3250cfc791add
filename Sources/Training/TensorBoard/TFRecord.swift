import Foundation

/// The frame of a record in TensorFlow's files: its length, the masked checksum of the length, the bytes, and their
/// masked checksum. A reader takes a record that was cut short for the end of the file.
package enum TFRecord {
    /// The record with its frame.
    package static func framed(_ content: Data) -> Data {
        func bytes(_ value: some FixedWidthInteger) -> Data { withUnsafeBytes(of: value.littleEndian) { Data($0) } }
        let length = bytes(UInt64(content.count))
        return length + bytes(maskedChecksum(length)) + content + bytes(maskedChecksum(content))
    }

    /// CRC-32C, the cyclic redundancy check with Castagnoli's polynomial (RFC 3720, appendix B.4).
    package static func checksum(_ bytes: Data) -> UInt32 {
        ~bytes.reduce(~0) { sum, byte in table[Int(UInt8(truncatingIfNeeded: sum) ^ byte)] ^ sum >> 8 }
    }

    /// Rotated and moved, because a checksum of bytes that hold checksums tells little.
    static func maskedChecksum(_ bytes: Data) -> UInt32 {
        let sum = checksum(bytes)
        return (sum >> 15 | sum << 17) &+ 0xa282_ead8
    }

    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { sum, _ in sum & 1 == 1 ? 0x82f6_3b78 ^ sum >> 1 : sum >> 1 }
    }
}
