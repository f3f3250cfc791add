import Foundation
import Safetensors
import Tensors

/// A file of reference values in the safetensors format.
///
/// The folder is `GOLDEN_DIR` when that is set, otherwise `Tests/Fixtures/golden`.
package struct GoldenFile {
    /// Error that names what is missing in a file.
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    /// Hyper-parameters and the formula, as the file states them.
    package var metadata: [String: String] { file.metadata }
    /// All names in the file, sorted.
    package var names: [String] { file.names }
    private let file: SafetensorsFile
    private let name: String

    /// Opens `<name>.safetensors` in the folder of reference values.
    package init(_ name: String) throws {
        self.name = name
        let folder =
            ProcessInfo.processInfo.environment["GOLDEN_DIR"].map { URL(fileURLWithPath: $0) }
            ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/golden")
        file = try SafetensorsFile(contentsOf: folder.appendingPathComponent("\(name).safetensors").path)
    }

    /// The lengths of the dimensions of a tensor.
    package func shape(_ key: String) throws -> [Int] { try file.shape(key) }

    /// The values of a floating-point tensor.
    package func floats(_ key: String) throws -> [Float] { try file.floats(key) }

    /// The values of an integer tensor.
    package func integers(_ key: String) throws -> [Int] { try file.integers(key) }

    /// The values of an integer tensor as class or row indices.
    package func indices(_ key: String) throws -> [Int32] { try integers(key).map(Int32.init) }

    /// A floating-point tensor.
    package func tensor(_ key: String) throws -> Tensor { try Tensor(floats(key), shape: shape(key)) }

    /// Where each set begins.
    package func offsets(_ key: String = "in.offsets") throws -> Offsets { try Offsets(indices(key)) }

    /// A hyper-parameter.
    package func number(_ key: String) throws -> Double {
        guard let text = metadata[key], let value = Double(text) else {
            throw Failure(description: "\(name): no number \(key) in the metadata")
        }
        return value
    }

    /// An integer hyper-parameter.
    package func integer(_ key: String) throws -> Int { Int(try number(key)) }
}

/// The largest difference of two arrays over the largest magnitude of the expected one.
package func relativeError(_ actual: [Float], _ expected: [Float]) -> Float {
    guard actual.count == expected.count, !actual.contains(where: \.isNaN) else { return .infinity }
    let scale = max(expected.map(abs).max() ?? 0, .leastNormalMagnitude)
    return (zip(actual, expected).map { abs($0 - $1) }.max() ?? 0) / scale
}

/// The tolerance of the reference values: 2e-4 of the largest magnitude of each tensor.
package let goldenTolerance: Float = 2e-4
