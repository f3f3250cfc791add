import Foundation
import Safetensors

/// Record format of TensorFlow's files: length, masked checksum of the length, content, masked checksum of the content.
/// Readers treat an incomplete record as the end of the file.
package enum TFRecord {
    /// The content as a complete record.
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

    /// The checksum rotated and offset, as the format requires for content that itself contains checksums.
    package static func maskedChecksum(_ bytes: Data) -> UInt32 {
        let sum = checksum(bytes)
        return (sum >> 15 | sum << 17) &+ 0xa282_ead8
    }
}
