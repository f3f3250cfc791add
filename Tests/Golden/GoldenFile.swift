import Foundation
import Tensors

/// A file of reference values in the safetensors format: an 8-byte length, a JSON header, then the raw values.
///
/// The folder is `GOLDEN_DIR` when that is set, otherwise `Tests/Fixtures/golden`.
public struct GoldenFile {
    /// A malformed or missing file, in words.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    private struct Entry: Decodable {
        let dtype: String
        let shape: [Int]
        let data_offsets: [Int]
    }

    /// Hyper-parameters and the formula, as the file states them.
    public let metadata: [String: String]
    /// All names in the file, sorted.
    public let names: [String]
    private let entries: [String: Entry]
    private let values: Data
    private let name: String

    /// Opens `<name>.safetensors` in the folder of reference values.
    public init(_ name: String) throws {
        self.name = name
        let folder = ProcessInfo.processInfo.environment["GOLDEN_DIR"].map { URL(fileURLWithPath: $0) }
            ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/golden")
        let data = try Data(contentsOf: folder.appendingPathComponent("\(name).safetensors"))
        guard data.count >= 8 else { throw Failure(description: "\(name): shorter than its header") }
        let length = data.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
        let header = data.subdata(in: 8..<8 + length)
        values = data.subdata(in: 8 + length..<data.count)
        guard var object = try JSONSerialization.jsonObject(with: header) as? [String: Any] else {
            throw Failure(description: "\(name): the header is not a JSON object")
        }
        metadata = object.removeValue(forKey: "__metadata__") as? [String: String] ?? [:]
        entries = try JSONDecoder().decode(
            [String: Entry].self, from: JSONSerialization.data(withJSONObject: object))
        names = entries.keys.sorted()
    }

    private func entry(_ key: String, _ dtype: String) throws -> Entry {
        guard let entry = entries[key] else { throw Failure(description: "\(name): no \(key)") }
        guard entry.dtype == dtype else { throw Failure(description: "\(name): \(key) is \(entry.dtype)") }
        return entry
    }

    private func decode<T>(_ entry: Entry, as type: T.Type) -> [T] {
        values.subdata(in: entry.data_offsets[0]..<entry.data_offsets[1]).withUnsafeBytes { raw in
            (0..<raw.count / MemoryLayout<T>.stride).map {
                raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.stride, as: T.self)
            }
        }
    }

    /// The lengths of the dimensions of a tensor.
    public func shape(_ key: String) throws -> [Int] {
        guard let entry = entries[key] else { throw Failure(description: "\(name): no \(key)") }
        return entry.shape
    }

    /// The values of a floating-point tensor.
    public func floats(_ key: String) throws -> [Float] { try decode(entry(key, "F32"), as: Float.self) }

    /// The values of an integer tensor.
    public func integers(_ key: String) throws -> [Int] {
        try decode(entry(key, "I64"), as: Int64.self).map(Int.init)
    }

    /// The values of an integer tensor as class or row indices.
    public func indices(_ key: String) throws -> [Int32] { try integers(key).map(Int32.init) }

    /// A floating-point tensor.
    public func tensor(_ key: String) throws -> Tensor { try Tensor(floats(key), shape: shape(key)) }

    /// Where each set begins.
    public func offsets(_ key: String = "in.offsets") throws -> Offsets { try Offsets(indices(key)) }

    /// A hyper-parameter.
    public func number(_ key: String) throws -> Double {
        guard let text = metadata[key], let value = Double(text) else {
            throw Failure(description: "\(name): no number \(key) in the metadata")
        }
        return value
    }

    /// An integer hyper-parameter.
    public func integer(_ key: String) throws -> Int { Int(try number(key)) }
}

/// The largest difference of two arrays over the largest magnitude of the expected one.
public func relativeError(_ actual: [Float], _ expected: [Float]) -> Float {
    guard actual.count == expected.count, !actual.contains(where: \.isNaN) else { return .infinity }
    let scale = max(expected.map(abs).max() ?? 0, .leastNormalMagnitude)
    return (zip(actual, expected).map { abs($0 - $1) }.max() ?? 0) / scale
}

/// The tolerance of the reference values: 2e-4 of the largest magnitude of each tensor.
public let goldenTolerance: Float = 2e-4
