import Foundation

/// A message in the wire format of Protocol Buffers
/// ([encoding](https://protobuf.dev/programming-guides/encoding)).
///
/// Fields with value zero are written too, which every reader accepts.
package struct ProtobufMessage {
    private(set) var bytes = Data()

    private enum WireType: UInt64 {
        case varint = 0
        case fixed64 = 1
        case lengthDelimited = 2
        case fixed32 = 5
    }

    /// `int64`, `int32` or an enumeration.
    package mutating func add(_ field: Int, _ value: Int) {
        begin(field, .varint)
        append(varint: UInt64(bitPattern: Int64(value)))
    }

    /// `double`.
    package mutating func add(_ field: Int, _ value: Double) {
        begin(field, .fixed64)
        append(littleEndian: value.bitPattern)
    }

    /// `float`.
    package mutating func add(_ field: Int, _ value: Float) {
        begin(field, .fixed32)
        append(littleEndian: value.bitPattern)
    }

    /// `string` or `bytes`.
    package mutating func add(_ field: Int, _ text: String) { add(field, Data(text.utf8)) }

    /// An embedded message.
    package mutating func add(_ field: Int, _ message: ProtobufMessage) { add(field, message.bytes) }

    /// `repeated double`, packed.
    package mutating func add(_ field: Int, _ values: [Double]) {
        var packed = ProtobufMessage()
        for value in values { packed.append(littleEndian: value.bitPattern) }
        add(field, packed.bytes)
    }

    private mutating func add(_ field: Int, _ content: Data) {
        begin(field, .lengthDelimited)
        append(varint: UInt64(content.count))
        bytes.append(content)
    }

    private mutating func begin(_ field: Int, _ type: WireType) {
        append(varint: UInt64(field) << 3 | type.rawValue)
    }

    private mutating func append(varint value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    private mutating func append(littleEndian value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
}
