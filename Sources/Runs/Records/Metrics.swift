import Foundation
import System

/// A row of `metrics.csv`; values that were not measured at this step are nil and their fields empty.
package struct MetricsRow: Equatable {
    package var step: Int
    package var epoch: Int
    package var jets: Int
    package var train: Training?
    /// Validation values of the same columns as `train.losses`.
    package var validation: [Double?]?

    /// Measurements of the steps since the last row.
    package struct Training: Equatable {
        /// Mean of each column, the total first; nil if it was not computed or all steps were skipped.
        package var losses: [Double?]
        package var learningRate: Double
        package var gradientNorm: Double
        package var jetsPerSecond: Double
        /// Mean time per step that a rank waits for its jets [ms].
        package var dataWait: Double
        /// Number of steps whose loss or gradient was not finite.
        package var skippedSteps: Int

        package init(
            losses: [Double?], learningRate: Double, gradientNorm: Double, jetsPerSecond: Double,
            dataWait: Double, skippedSteps: Int = 0
        ) {
            self.losses = losses
            self.learningRate = learningRate
            self.gradientNorm = gradientNorm
            self.jetsPerSecond = jetsPerSecond
            self.dataWait = dataWait
            self.skippedSteps = skippedSteps
        }
    }

    package init(step: Int, epoch: Int, jets: Int, train: Training? = nil, validation: [Double?]? = nil) {
        self.step = step
        self.epoch = epoch
        self.jets = jets
        self.train = train
        self.validation = validation
    }
}

/// `metrics.csv` of a run: a header line and complete rows only.
package final class MetricsFile: Sendable {
    private let columns: Columns
    private let file: AppendedFile
    /// Fields of the existing rows that are kept.
    package let kept: [[String]]
    /// Step of the first existing row that is removed; nil if all are kept.
    package let firstGone: Int?
    /// Number of expected rows that are missing or damaged.
    package let missing: Int

    /// Opens the file for appending after its first `rows` rows; a resumed run writes the later ones again.
    ///
    /// If some of the rows are damaged or missing, the others up to `step` are kept. Throws `KaonError` if the file
    /// cannot be read or written, or has other columns.
    ///
    /// - Parameters:
    ///   - columns: columns of both training and validation, `total_loss` first.
    ///   - step: the step from which the run continues.
    package init(path: String, columns: [String], keeping rows: Int, upTo step: Int) throws {
        self.columns = Columns(columns)
        let names = self.columns.names
        let header = names.joined(separator: ",")
        // The text after the last line break is an incomplete line.
        let lines = try Self.text(of: path).split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        if rows > 0, let first = lines.first, first != header {
            throw KaonError(
                "\(path) has other columns than this run; give the run a directory of its own")
        }
        let all = lines.dropFirst().map { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
        let whole = all.filter { $0.count == names.count && Int($0[0]) != nil }
        let isWhole = whole.count == all.count && all.count >= rows
        kept = Array(isWhole ? all.prefix(rows) : whole.prefix { Int($0[0])! <= step }.prefix(rows))
        missing = rows - kept.count
        firstGone = whole.dropFirst(kept.count).first.flatMap { Int($0[0]) }
        let text = ([header] + kept.map { $0.joined(separator: ",") }).joined(separator: "\n") + "\n"
        try writeAtomically(text, to: path)
        file = try AppendedFile(path: path)
    }

    /// Text of the file, empty if it is missing; bytes that are not UTF-8 are replaced. Throws `KaonError`.
    private static func text(of path: String) throws -> String {
        do {
            return String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
        } catch CocoaError.fileReadNoSuchFile {
            return ""
        } catch {
            throw KaonError("cannot read \(path): \(reason(error)); fix that or move the file away")
        }
    }

    /// Appends a row, after any that could not be written before; on failure it is kept for the next write.
    package func write(_ row: MetricsRow) throws {
        try file.write(Data((columns.fields(row).joined(separator: ",") + "\n").utf8))
    }

    /// The values of a row by column name, without step, epoch and jets.
    package func scalars(_ fields: [String]) -> [(name: String, value: Double)] {
        zip(columns.names, fields).dropFirst(Columns.places).compactMap { name, field in
            Double(field).map { (name, $0) }
        }
    }

    /// The same for a row that is not written yet.
    package func scalars(_ row: MetricsRow) -> [(name: String, value: Double)] { scalars(columns.fields(row)) }

    /// Writes the rows that could not be written before.
    package func flush() throws { try file.flush() }

    /// Flushes the rows to disk; a checkpoint relies on them.
    package func synchronize() throws { try file.synchronize() }
}

extension MetricsFile {
    /// The columns of `metrics.csv`.
    private struct Columns {
        /// Number of columns for the position in the run: step, epoch, jets.
        static let places = 3
        let names: [String]
        private let count: Int

        init(_ columns: [String]) {
            count = columns.count
            names =
                ["step", "epoch", "jets"] + columns.map { "train/\($0)" } + columns.map { "valid/\($0)" }
                + ["learning_rate", "gradient_norm", "skipped_steps", "jets_per_second", "data_wait_ms"]
        }

        /// The fields of a row, empty without a value.
        func fields(_ row: MetricsRow) -> [String] {
            func texts(_ values: [Double?]?, count: Int) -> [String] {
                invariant(
                    values.map { $0.count == count } ?? true, "\(values!.count) values for \(count) columns")
                func text(_ value: Double) -> String { value.isNaN ? "nan" : "\(value)" }
                return values.map { $0.map { $0.map(text) ?? "" } } ?? Array(repeating: "", count: count)
            }
            return ["\(row.step)", "\(row.epoch)", "\(row.jets)"]
                + texts(row.train?.losses, count: count) + texts(row.validation, count: count)
                + texts(row.train.map { [$0.learningRate, $0.gradientNorm] }, count: 2)
                + [
                    row.train.map { "\($0.skippedSteps)" } ?? "",
                    row.train.map { String(format: "%.1f", $0.jetsPerSecond) } ?? "",
                    row.train.map { String(format: "%.2f", $0.dataWait) } ?? "",
                ]
        }
    }
}
