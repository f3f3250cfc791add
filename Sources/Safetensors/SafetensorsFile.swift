import Foundation
import System

/// A file of tensors in the safetensors format: the length of the header in 8 bytes (little-endian), the header in
/// JSON, and the values, row-major and little-endian (https://huggingface.co/docs/safetensors).
///
///     let file = try SafetensorsFile(contentsOf: "backbone.safetensors")
///     let weights = try file.floats("encoder.weight")
///
/// The header is validated before any value can be read, so that a manipulated file cannot cause reads beyond its end.
/// The values are verified if the metadata have a checksum.
package struct SafetensorsFile: Sendable {
    /// The path, for messages.
    package let path: String
    /// The `__metadata__` of the file.
    package var metadata: [String: String] { header.metadata }
    /// The names of the tensors, sorted.
    package let names: [String]
    private let header: SafetensorsHeader
    private let bytes: Data
    /// The index in `bytes` of the first value.
    private let body: Int

    /// Reads a file. Throws `SafetensorsError` if it does not exist or is invalid.
    package init(contentsOf path: String) throws {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw SafetensorsError(path, "no such file")
        }
        // To read a pipe would block, and a device may have no end.
        guard !isFolder.boolValue, !isDeviceOrPipe(path) else { throw SafetensorsError(path, "not a regular file") }
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw SafetensorsError(path, "cannot be read; check its permissions")
        }
        try self.init(bytes, path: path)
    }

    /// Reads the bytes of a file, which is called `path` in messages. Throws `SafetensorsError` if they are invalid.
    package init(_ bytes: Data, path: String) throws {
        guard bytes.count >= 8 else {
            throw SafetensorsError(path, "too short for a safetensors file")
        }
        let begin = bytes.startIndex
        let length = bytes.prefix(8).reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
        guard length <= SafetensorsHeader.maximumLength, length <= bytes.count - 8 else {
            throw SafetensorsError(
                path,
                "the header should have \(length) bytes, but the file has \(bytes.count); is it a complete "
                    + "safetensors file?")
        }
        self.path = path
        self.bytes = bytes
        body = begin + 8 + Int(length)
        do {
            header = try SafetensorsHeader(
                json: Array(bytes[begin + 8..<body]), bodyBytes: bytes.endIndex - body)
        } catch let problem as SafetensorsHeader.Problem {
            throw SafetensorsError(path, problem.text)
        }
        names = header.entries.keys.sorted()
        try verify()
    }

    /// The key of the metadata with the checksum of all bytes after the header; optional.
    static let checksumKey = "crc32"

    private func verify() throws {
        guard let expected = metadata[Self.checksumKey] else { return }
        var checksum = CRC32(.zlib)
        bytes[body...].withUnsafeBytes { checksum.add($0) }
        guard checksum.text == expected else {
            throw SafetensorsError(
                path,
                "the file is damaged: the checksum of its values differs from that in its header (a program that "
                    + "changes values has to remove '\(Self.checksumKey)' from the metadata)")
        }
    }

    /// The shape of a tensor; `[]` for a single value. Throws `SafetensorsError` if it does not exist.
    package func shape(_ name: String) throws -> [Int] { try entry(name).shape }

    /// The element type of a tensor. Throws `SafetensorsError` if it does not exist.
    package func type(_ name: String) throws -> SafetensorsType { try entry(name).type }

    /// The values of a tensor of type `float32`, row-major. Throws `SafetensorsError` if there is none.
    package func floats(_ name: String) throws -> [Float] {
        try values(name, .float32) { (word: UInt32) in Float(bitPattern: UInt32(littleEndian: word)) }
    }

    /// The values of a tensor of type `float64`, row-major. Throws `SafetensorsError` if there is none.
    package func doubles(_ name: String) throws -> [Double] {
        try values(name, .float64) { (word: UInt64) in Double(bitPattern: UInt64(littleEndian: word)) }
    }

    /// The values of a tensor of type `int64`, row-major. Throws `SafetensorsError` if there is none.
    package func integers(_ name: String) throws -> [Int] {
        try values(name, .int64) { (word: Int64) in Int(Int64(littleEndian: word)) }
    }

    private func entry(_ name: String) throws -> SafetensorsHeader.Entry {
        guard let entry = header.entries[name] else {
            throw SafetensorsError(path, "the file has no tensor \(SafetensorsError.quoted(name))")
        }
        return entry
    }

    private func values<Word: FixedWidthInteger, Element>(
        _ name: String, _ type: SafetensorsType, _ element: (Word) -> Element
    ) throws -> [Element] {
        let entry = try entry(name)
        guard entry.type == type else {
            throw SafetensorsError(
                path,
                "the tensor \(SafetensorsError.quoted(name)) is of type \(entry.type.rawValue), not "
                    + type.rawValue)
        }
        return bytes[body + entry.bytes.lowerBound..<body + entry.bytes.upperBound].withUnsafeBytes { raw in
            (0..<raw.count / type.size).map {
                element(raw.loadUnaligned(fromByteOffset: $0 * type.size, as: Word.self))
            }
        }
    }
}
