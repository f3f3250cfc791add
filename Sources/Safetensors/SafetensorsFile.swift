import Foundation

/// A file of tensors in the safetensors format: the length of the header in 8 bytes (little-endian), the
/// header in JSON, and the values, row-major and little-endian (https://huggingface.co/docs/safetensors).
///
/// All of the header is checked before any value is given out, so that no file, however made, leads beyond
/// its bytes; and the values are compared with their checksum where the metadata has one.
package struct SafetensorsFile: Sendable {
    /// The path as given.
    package let path: String
    /// Texts by key, as the file's `__metadata__` has them.
    package var metadata: [String: String] { header.metadata }
    /// The names of the tensors, sorted.
    package let names: [String]
    private let header: SafetensorsHeader
    private let bytes: Data
    private let body: Int

    /// Reads a file. Throws `SafetensorsError` where there is none, or where it is not sound.
    package init(contentsOf path: String) throws {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw SafetensorsError(path, "there is no such file")
        }
        // A pipe would be waited for, and a device has no end.
        let type =
            try? FileManager.default.attributesOfItem(
                atPath: URL(fileURLWithPath: path).resolvingSymlinksInPath().path)[.type]
            as? FileAttributeType
        guard type == .typeRegular else { throw SafetensorsError(path, "is no regular file") }
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw SafetensorsError(path, "cannot be read; check its permissions")
        }
        try self.init(bytes, path: path)
    }

    /// Reads the bytes of a file, called `path` in errors. Throws `SafetensorsError` where they are not
    /// sound.
    package init(_ bytes: Data, path: String) throws {
        guard bytes.count >= 8 else {
            throw SafetensorsError(path, "is shorter than a safetensors file can be")
        }
        let begin = bytes.startIndex
        let length = bytes.prefix(8).reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
        guard length <= SafetensorsHeader.longest, length <= bytes.count - 8 else {
            throw SafetensorsError(
                path,
                "its header should have \(length) bytes, but the file has \(bytes.count); is it a safetensors "
                    + "file, and complete?")
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

    /// The key of the metadata with the checksum of all bytes after the header; files without it are taken as they are.
    static let checksumKey = "crc32"

    private func verify() throws {
        guard let expected = metadata[Self.checksumKey] else { return }
        var checksum = CRC32(.zlib)
        bytes[body...].withUnsafeBytes { checksum.add($0) }
        guard checksum.text == expected else {
            throw SafetensorsError(
                path,
                "is damaged: its values do not have the checksum that its header tells (where a program has "
                    + "changed them on purpose, it has to remove '\(Self.checksumKey)' from the metadata)")
        }
    }

    /// The extents of a tensor; `[]` for a single value. Throws `SafetensorsError` where there is none of
    /// that name.
    package func shape(_ name: String) throws -> [Int] { try entry(name).shape }

    /// What a tensor consists of. Throws `SafetensorsError` where there is none of that name.
    package func type(_ name: String) throws -> SafetensorsType { try entry(name).type }

    /// The values of a tensor of type `float32`, row-major. Throws `SafetensorsError` where there is none.
    package func floats(_ name: String) throws -> [Float] {
        try values(name, .float32) { (word: UInt32) in Float(bitPattern: UInt32(littleEndian: word)) }
    }

    /// The values of a tensor of type `float64`, row-major. Throws `SafetensorsError` where there is none.
    package func doubles(_ name: String) throws -> [Double] {
        try values(name, .float64) { (word: UInt64) in Double(bitPattern: UInt64(littleEndian: word)) }
    }

    /// The values of a tensor of type `int64`, row-major. Throws `SafetensorsError` where there is none.
    package func integers(_ name: String) throws -> [Int] {
        try values(name, .int64) { (word: Int64) in Int(Int64(littleEndian: word)) }
    }

    private func entry(_ name: String) throws -> SafetensorsHeader.Entry {
        guard let entry = header.entries[name] else {
            throw SafetensorsError(path, "has no tensor \(SafetensorsError.quoted(name))")
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
