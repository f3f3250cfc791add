import Foundation
import System

/// Collects tensors and writes them as a safetensors file.
///
///     var writer = SafetensorsWriter(metadata: ["format": "pt"])
///     writer.add("encoder.weight", weights, shape: [64, 7])
///     try writer.write(to: "backbone.safetensors")
///
/// `crc32`, the checksum of all bytes after the header, is added to the metadata and verified when the file is read.
/// Equal contents have equal bytes: tensors are sorted by decreasing size of their elements, which aligns them, then by
/// name, as in PyTorch's writer.
package struct SafetensorsWriter {
    /// The `__metadata__` of the file.
    package var metadata: [String: String]
    private var tensors: [String: (type: SafetensorsType, shape: [Int], bytes: Data)] = [:]

    package init(metadata: [String: String] = [:]) {
        self.metadata = metadata
    }

    /// Adds a tensor of `float32`, row-major. The name is new and not `__metadata__`.
    package mutating func add(_ name: String, _ values: UnsafeBufferPointer<Float>, shape: [Int]) {
        add(name, .float32, shape, values.count, Data(buffer: values))
    }

    /// Adds a tensor of `float32`, row-major. The name is new and not `__metadata__`.
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
        invariant(1.littleEndian == 1, "safetensors files are written on little-endian processors only")
        invariant(name != "__metadata__" && tensors[name] == nil, "the tensor name \(name) is taken")
        invariant(
            shape.allSatisfy { $0 >= 0 } && shape.reduce(1, *) == count,
            "the tensor \(name) has \(count) values, which do not fit its shape \(shape)")
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
        // Spaces align the values in the file.
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
