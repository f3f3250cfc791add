import Foundation

/// A row of `metrics.csv`; what was not measured at this step is nil and stays empty.
struct MetricsRow {
    var step: Int
    var epoch: Int
    var jets: Int
    var train: [Double]?
    var validation: [Double]?
    var learningRate: Double?
    var gradientNorm: Double?
    var jetsPerSecond: Double?
}

/// `metrics.csv` of a run: one line a logged step, complete lines only.
final class MetricsFile {
    private let path: String
    private let terms: [String]
    private let handle: FileHandle

    /// Opens the file to append; rows after `step`, which a resumed run will write again, are removed.
    ///
    /// - Parameter terms: the names of the losses, the total first.
    init(path: String, terms: [String], resumingAfter step: Int) throws {
        self.path = path
        self.terms = terms
        let header = Self.header(terms)
        var kept = [header]
        if let text = try? String(contentsOfFile: path, encoding: .utf8) {
            let lines = text.split(separator: "\n", omittingEmptySubsequences: true)
            if step > 0, let first = lines.first, first != header {
                throw TrainingError("\(path) has other columns than this run; give the run a directory of its own")
            }
            kept += lines.dropFirst().filter { line in
                Int(line.prefix { $0 != "," }).map { $0 <= step } ?? false
            }.map(String.init)
        }
        let temporary = path + ".tmp"
        try Data((kept.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: temporary))
        guard rename(temporary, path) == 0 else {
            throw TrainingError("cannot write \(path): \(String(cString: strerror(errno)))")
        }
        handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try handle.seekToEnd()
    }

    private static func header(_ terms: [String]) -> String {
        (["step", "epoch", "jets"] + terms.map { "train/\($0)_loss" } + terms.map { "valid/\($0)_loss" }
            + ["learning_rate", "gradient_norm", "jets_per_second"]).joined(separator: ",")
    }

    /// Appends a row.
    func write(_ row: MetricsRow) throws {
        func text(_ value: Double?) -> String { value.map { "\($0)" } ?? "" }
        func texts(_ values: [Double]?) -> [String] {
            values.map { $0.map { text($0) } } ?? Array(repeating: "", count: terms.count)
        }
        let fields = ["\(row.step)", "\(row.epoch)", "\(row.jets)"] + texts(row.train) + texts(row.validation)
            + [text(row.learningRate), text(row.gradientNorm)]
            + [row.jetsPerSecond.map { String(format: "%.1f", $0) } ?? ""]
        try handle.write(contentsOf: Data((fields.joined(separator: ",") + "\n").utf8))
    }
}

/// A circumstance that ends a run, in words.
public struct TrainingError: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}
