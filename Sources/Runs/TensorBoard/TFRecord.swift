import Foundation
import Safetensors

/// The frame of a record in TensorFlow's files: its length, the masked checksum of the length, the bytes, and their
/// masked checksum. A reader takes a record that was cut short for the end of the file.
package enum TFRecord {
    /// The record with its frame.
    package static func framed(_ content: Data) -> Data {
        func bytes(_ value: some FixedWidthInteger) -> Data { withUnsafeBytes(of: value.littleEndian) { Data($0) } }
        let length = bytes(UInt64(content.count))
        return length + bytes(maskedChecksum(length)) + content + bytes(maskedChecksum(content))
    }

    /// CRC-32C.
    package static func checksum(_ bytes: Data) -> UInt32 {
        var sum = CRC32(.castagnoli)
        bytes.withUnsafeBytes { sum.add($0) }
        return sum.value
    }

    /// Rotated and moved, because a checksum of bytes that hold checksums tells little.
    package static func maskedChecksum(_ bytes: Data) -> UInt32 {
        let sum = checksum(bytes)
        return (sum >> 15 | sum << 17) &+ 0xa282_ead8
    }
}
