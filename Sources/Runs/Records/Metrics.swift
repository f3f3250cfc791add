import Foundation
import System

/// A row of `metrics.csv`; what was not measured at this step is nil and stays empty.
package struct MetricsRow: Equatable {
    package var step: Int
    package var epoch: Int
    package var jets: Int
    package var train: Training?
    /// The same columns over the validation files.
    package var validation: [Double?]?

    /// What is known from the steps since the last row.
    package struct Training: Equatable {
        /// What each column is at these steps, the total first; nil where it was not asked for, or all steps were
        /// skipped.
        package var losses: [Double?]
        package var learningRate: Double
        package var gradientNorm: Double
        package var jetsPerSecond: Double
        /// The mean time of a step in which a rank waited for its jets [ms].
        package var dataWait: Double
        /// Steps whose loss or gradient was not finite.
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

/// `metrics.csv` of a run: a header and complete lines only.
package final class MetricsFile: Sendable {
    private let columns: Columns
    private let file: AppendedFile
    /// The rows that were there and stay, as their fields.
    package let kept: [[String]]
    /// The step of the first row that was there and is gone; nil where all stay.
    package let firstGone: Int?
    /// Rows that should have been there and were not, or could not be read.
    package let missing: Int

    /// Opens the file to append, after its first `rows` rows: those after them a resumed run writes again.
    ///
    /// Where a part of them is damaged or gone, the others stay up to the step that the run goes on from. Throws
    /// `KaonError` where the file cannot be read or written, or has other columns.
    ///
    /// - Parameters:
    ///   - columns: what training and validation tell, such as `total_loss`, which is the first.
    ///   - step: the step that the run goes on from.
    package init(path: String, columns: [String], keeping rows: Int, upTo step: Int) throws {
        self.columns = Columns(columns)
        let names = self.columns.names
        let header = names.joined(separator: ",")
        // What follows the last line break is a line that was cut short.
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

    /// What the file says, empty where there is none; bytes that are no text are replaced. Throws `KaonError`.
    private static func text(of path: String) throws -> String {
        do {
            return String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
        } catch CocoaError.fileReadNoSuchFile {
            return ""
        } catch {
            throw KaonError("cannot read \(path): \(reason(error)); mend that or move the file away")
        }
    }

    /// Appends a row, after those that could not be written before; one that cannot be written is kept.
    package func write(_ row: MetricsRow) throws {
        try file.write(Data((columns.fields(row).joined(separator: ",") + "\n").utf8))
    }

    /// The numbers of a row under the names of their columns, without those that say where in the run it stands.
    package func scalars(_ fields: [String]) -> [(name: String, value: Double)] {
        zip(columns.names, fields).dropFirst(Columns.places).compactMap { name, field in
            Double(field).map { (name, $0) }
        }
    }

    /// The same of a row that is yet to be written.
    package func scalars(_ row: MetricsRow) -> [(name: String, value: Double)] { scalars(columns.fields(row)) }

    /// Writes the rows that could not be written before.
    package func flush() throws { try file.flush() }

    /// Brings the rows to the disk, before a checkpoint counts on them.
    package func synchronize() throws { try file.synchronize() }
}

extension MetricsFile {
    /// The columns of `metrics.csv`.
    private struct Columns {
        /// Columns that say where in the run a row stands: step, epoch, jets.
        static let places = 3
        let names: [String]
        private let count: Int

        init(_ columns: [String]) {
            count = columns.count
            names = ["step", "epoch", "jets"] + columns.map { "train/\($0)" } + columns.map { "valid/\($0)" }
                + ["learning_rate", "gradient_norm", "skipped_steps", "jets_per_second", "data_wait_ms"]
        }

        /// The fields of a row, empty where it has no value.
        func fields(_ row: MetricsRow) -> [String] {
            func texts(_ values: [Double?]?, count: Int) -> [String] {
                invariant(
                    values.map { $0.count == count } ?? true, "\(values!.count) values for \(count) columns")
                return values.map { $0.map { $0.map { "\($0)" } ?? "" } } ?? Array(repeating: "", count: count)
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
