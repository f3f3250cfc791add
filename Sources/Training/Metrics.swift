import Foundation

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
///
/// One thread writes; another may bring what was written to the disk.
package final class MetricsFile: @unchecked Sendable {
    private let path: String
    private let columns: [String]
    private let handle: FileHandle
    /// The bytes of the complete lines.
    private var length: UInt64
    /// Lines that a full disk has not taken yet.
    private var unwritten = Data()

    /// Opens the file to append, after its first `rows` rows: those after them a resumed run writes again.
    ///
    /// - Parameter columns: what training and validation tell, such as `total_loss`, which is the first.
    package init(path: String, columns: [String], keeping rows: Int) throws {
        self.path = path
        self.columns = columns
        let header = Self.header(columns)
        var kept: [Substring] = []
        if rows > 0, let text = try? String(contentsOfFile: path, encoding: .utf8) {
            // What follows the last line break is a line that was cut short.
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
            if let first = lines.first, first != header {
                throw TrainingError(
                    "\(path) has other columns than this run; give the run a directory of its own")
            }
            kept += lines.dropFirst().prefix(rows)
        }
        try writeAtomically(([header[...]] + kept).joined(separator: "\n") + "\n", to: path)
        handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        length = try handle.seekToEnd()
    }

    private static func header(_ columns: [String]) -> String {
        (["step", "epoch", "jets"] + columns.map { "train/\($0)" } + columns.map { "valid/\($0)" }
            + ["learning_rate", "gradient_norm", "skipped_steps", "jets_per_second", "data_wait_ms"])
            .joined(separator: ",")
    }

    /// Appends a row, after those that could not be written before; one that cannot be written is kept.
    package func write(_ row: MetricsRow) throws {
        func texts(_ values: [Double?]?, count: Int) -> [String] {
            precondition(
                values.map { $0.count == count } ?? true, "\(values!.count) values for \(count) columns")
            return values.map { $0.map { $0.map { "\($0)" } ?? "" } } ?? Array(repeating: "", count: count)
        }
        let fields =
            ["\(row.step)", "\(row.epoch)", "\(row.jets)"]
            + texts(row.train?.losses, count: columns.count) + texts(row.validation, count: columns.count)
            + texts(row.train.map { [$0.learningRate, $0.gradientNorm] }, count: 2)
            + [
                row.train.map { "\($0.skippedSteps)" } ?? "",
                row.train.map { String(format: "%.1f", $0.jetsPerSecond) } ?? "",
                row.train.map { String(format: "%.2f", $0.dataWait) } ?? "",
            ]
        unwritten += Data((fields.joined(separator: ",") + "\n").utf8)
        try flush()
    }

    /// Writes the rows that could not be written before.
    package func flush() throws {
        guard !unwritten.isEmpty else { return }
        do {
            try handle.write(contentsOf: unwritten)
            length += UInt64(unwritten.count)
            unwritten = Data()
        } catch {
            // No line is left half written.
            try? handle.truncate(atOffset: length)
            throw TrainingError("cannot write \(path): \(reason(error))")
        }
    }

    /// Brings the rows to the disk, before a checkpoint counts on them.
    package func synchronize() throws {
        guard fsync(handle.fileDescriptor) == 0 else {
            throw TrainingError("cannot bring \(path) to the disk: \(systemReason())")
        }
    }
}
