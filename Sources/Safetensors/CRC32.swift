/// A 32-bit cyclic redundancy check. It detects damage, not manipulation.
///
///     var checksum = CRC32(.zlib)
///     checksum.add(bytes)
///     checksum.value
package struct CRC32 {
    /// The generator polynomial, with the lowest power in the highest bit.
    package struct Polynomial: Sendable {
        fileprivate let table: [UInt32]

        private init(_ reversed: UInt32) {
            table = (0..<256).map { byte in
                (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ reversed : value >> 1 }
            }
        }

        /// The polynomial of zlib and Python's `zlib.crc32`.
        package static let zlib = Polynomial(0xedb8_8320)
        /// Castagnoli's polynomial, CRC-32C (RFC 3720, appendix B.4).
        package static let castagnoli = Polynomial(0x82f6_3b78)
    }

    private var state: UInt32 = 0xffff_ffff
    private let polynomial: Polynomial

    package init(_ polynomial: Polynomial) {
        self.polynomial = polynomial
    }

    /// Adds bytes after the previous ones.
    package mutating func add(_ bytes: UnsafeRawBufferPointer) {
        var state = state
        polynomial.table.withUnsafeBufferPointer { table in
            for byte in bytes { state = table[Int(UInt8(truncatingIfNeeded: state) ^ byte)] ^ state >> 8 }
        }
        self.state = state
    }

    /// The checksum of all bytes so far.
    package var value: UInt32 { ~state }

    /// The checksum in eight hexadecimal digits.
    var text: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}
