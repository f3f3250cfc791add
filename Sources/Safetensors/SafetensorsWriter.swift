import Foundation
import System

/// Collects tensors and writes them as one safetensors file.
///
/// The metadata gets `crc32`, the checksum of all bytes after the header, which is compared on reading. The
/// bytes depend on the contents alone: tensors are laid out as PyTorch's writer does it, those with
/// larger elements first, and by name among equals, so that each is aligned.
package struct SafetensorsWriter {
    /// Texts by key, written as `__metadata__`.
    package var metadata: [String: String]
    private var tensors: [String: (type: SafetensorsType, shape: [Int], bytes: Data)] = [:]

    package init(metadata: [String: String] = [:]) {
        self.metadata = metadata
    }

    /// Adds a tensor of `float32`, row-major. The name is new and not `__metadata__`.
    package mutating func add(_ name: String, _ values: UnsafeBufferPointer<Float>, shape: [Int]) {
        add(name, .float32, shape, values.count, Data(buffer: values))
    }

    /// Adds a tensor of `float32` as the other `add` does.
    package mutating func add(_ name: String, _ values: [Float], shape: [Int]) {
        values.withUnsafeBufferPointer { add(name, $0, shape: shape) }
    }

    /// Adds a tensor of `float64`, row-major. The name is new and not `__metadata__`.
    package mutating func add(_ name: String, _ values: [Double], shape: [Int]) {
        add(name, .float64, shape, values.count, values.withUnsafeBufferPointer { Data(buffer: $0) })
    }

    /// Adds a tensor of `int64`, row-major. The name is new and not `__metadata__`.
    package mutating func add(_ name: String, _ values: [Int], shape: [Int]) {
        add(name, .int64, shape, values.count, values.withUnsafeBufferPointer { Data(buffer: $0) })
    }

    private mutating func add(
        _ name: String, _ type: SafetensorsType, _ shape: [Int], _ count: Int, _ bytes: Data
    ) {
        invariant(1.littleEndian == 1, "the values would have to be turned on this processor")
        invariant(name != "__metadata__" && tensors[name] == nil, "the name \(name) is taken")
        invariant(
            shape.allSatisfy { $0 >= 0 } && shape.reduce(1, *) == count,
            "\(count) values have no shape \(shape)")
        tensors[name] = (type, shape, bytes)
    }

    /// The bytes of the file.
    package var encoded: Data {
        let inOrder = tensors.sorted { ($1.value.type.size, $0.key) < ($0.value.type.size, $1.key) }
        var checksum = CRC32(.zlib)
        for (_, tensor) in inOrder { tensor.bytes.withUnsafeBytes { checksum.add($0) } }
        var metadata = metadata
        metadata[SafetensorsFile.checksumKey] = checksum.text
        let texts = metadata.sorted { $0.key < $1.key }.map { "\(Self.json($0.key)):\(Self.json($0.value))" }
        var fields = ["\"__metadata__\":{\(texts.joined(separator: ","))}"]
        var offset = 0
        for (name, tensor) in inOrder {
            let end = offset + tensor.bytes.count
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            fields.append(
                "\(Self.json(name)):{\"dtype\":\"\(tensor.type.rawValue)\",\"shape\":[\(shape)],"
                    + "\"data_offsets\":[\(offset),\(end)]}")
            offset = end
        }
        var header = Data("{\(fields.joined(separator: ","))}".utf8)
        // So that the values are aligned in the file, too.
        header.append(contentsOf: repeatElement(UInt8(ascii: " "), count: (8 - header.count % 8) % 8))
        var result = Data(capacity: 8 + header.count + offset)
        withUnsafeBytes(of: UInt64(header.count).littleEndian) { result.append(contentsOf: $0) }
        result.append(header)
        for (_, tensor) in inOrder { result.append(tensor.bytes) }
        return result
    }

    /// Writes the file, so that `path` is always the old file or the complete new one. Throws `KaonError`.
    package func write(to path: String) throws { try writeAtomically(encoded, to: path) }

    private static func json(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\\(scalar)"
            case "\0"..<" ": result += "\\u" + String(format: "%04x", scalar.value)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
