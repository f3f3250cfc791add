import Configuration
import Foundation
import Jets
import Objectives
import Runs
import System

/// `metrics.json`.
package struct EvaluationReport: Codable {
    /// A file of test jets, and the number of its jets that were used.
    struct TestFile: Codable, Equatable, Sendable {
        let path: String
        let jets: Int
        /// The time of its last change; nil if unknown, in a report of an earlier version, and on all ranks but 0.
        let modified: String?
    }

    /// The checkpoint as it was given.
    var checkpoint: String
    /// The file that it was, if it was given as a link such as `best`.
    var checkpointFile: String?
    /// The step of the checkpoint; nil for an exported model.
    package var step: Int?
    /// The checksum of the checkpoint; nil for an exported model and in a report of an earlier version.
    var checksum: String?
    /// True if the model was applied with the moving average of its weights; nil for an exported model and in a report
    /// of an earlier version.
    private var average: Bool?
    /// The keys in `EvaluationSettings`; nil in a report of an earlier version.
    var settings: [String: String]?
    /// The files of the jets, as given: they may be folders or patterns.
    package var test: [String]
    /// The files that these are; nil in a report of an earlier version.
    var files: [TestFile]?
    var objective: String
    package var jets: Int
    /// `null` for the mean of a term without items.
    package var measures: [String: Double?]
    /// Statistical errors of the measures that have one; nil in a report of an earlier version.
    var errors: [String: Double]?
    var tables: [String: [[Double]]]?
    var classes: [String]?
    /// The program, the command and the machine of the evaluation; nil in a report of an earlier version.
    var provenance: Provenance?

    private enum CodingKeys: String, CodingKey {
        case checkpoint, step, average, settings, test, files, objective, jets, measures, errors, tables, classes
        case provenance
        case checkpointFile = "checkpoint_file"
        case checksum = "checkpoint_checksum"
    }

    init(_ model: TrainedModel, _ measures: EvaluationMeasures, _ predictions: Predictions, of dataset: JetDataset) {
        checkpoint = model.checkpoint
        let url = URL(fileURLWithPath: model.checkpoint)
        let file = url.resolvingSymlinksInPath().lastPathComponent
        checkpointFile = file == url.lastPathComponent ? nil : file
        step = try? Checkpoint.step(of: model.checkpoint)
        checksum = model.checksum
        average = checksum == nil ? nil : model.options.evaluatesAverage
        settings = EvaluationSettings.values(in: model.options.configuration)
        test = model.options.data.test
        files = TestFile.all(of: dataset)
        objective = model.options.objective.name.rawValue
        jets = dataset.count
        self.measures = Dictionary(measures.all.map { ($0.name, $0.value) }) { first, _ in first }
        errors = Dictionary(measures.all.compactMap { entry in entry.error.map { (entry.name, $0) } }) { first, _ in
            first
        }
        tables = predictions.columns.isEmpty ? nil : model.objective.tables(of: predictions)
        classes = model.state.classes?.names
        provenance = Provenance(seed: model.options.seed)
    }

    /// Reads a file; nil if it is missing or unreadable.
    package init?(contentsOf path: String) {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        guard let data = FileManager.default.contents(atPath: path),
            let report = try? decoder.decode(EvaluationReport.self, from: data)
        else { return nil }
        self = report
    }

    /// The reason why a report is not that of a checkpoint on the test jets of a configuration, in words that follow
    /// the name of the file; nil if it is.
    ///
    /// A report of an earlier version does not identify the weights: as they may be others of the same step, it is not
    /// trusted.
    func difference(from checkpoint: String, _ options: RunOptions, _ files: [TestFile]) throws -> String? {
        guard let checksum, let settings else { return "is of an earlier version, which does not name the weights" }
        guard try checksum == Checkpoint.checksum(of: checkpoint) else { return "is of other weights" }
        guard test == options.data.test, self.files == files else { return "is of other test files" }
        let present = EvaluationSettings.values(in: options.configuration)
        let keys = Set(settings.keys).union(present.keys).sorted().filter { settings[$0] != present[$0] }
        guard !keys.isEmpty else { return nil }
        return "is of another configuration ("
            + keys.map { "\($0): \(settings[$0] ?? "null") → \(present[$0] ?? "null")" }.joined(separator: "; ") + ")"
    }

    /// True if a report is of a checkpoint; one of an earlier version, if it is of the same step. Throws `HDF5Error`.
    package func isOf(_ checkpoint: String) throws -> Bool {
        guard let checksum else { return try step == Checkpoint.step(of: checkpoint) }
        return try checksum == Checkpoint.checksum(of: checkpoint)
    }

    /// True if the results are those of the moving average of the weights; in a report of an earlier version, if that
    /// is what the configuration of the checkpoint evaluates.
    package func isOfAverage(_ options: RunOptions) -> Bool { average ?? options.evaluatesAverage }

    func write(to path: String) throws {
        try writeAtomically(String(decoding: Self.encoder.encode(self), as: UTF8.self) + "\n", to: path)
    }

    static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return encoder
    }
}

extension EvaluationReport.TestFile {
    /// The files of a dataset.
    static func all(of dataset: JetDataset) -> [Self] {
        zip(dataset.paths, dataset.jetsOfFiles).map { path, jets in
            // Only rank 0 compares reports.
            let modified = dataset.communicator.rank == 0 ? modificationDate(of: path) : nil
            return Self(path: path, jets: jets, modified: modified?.formatted(.iso8601))
        }
    }
}

/// The keys of a configuration, besides the test files, that change the results of an evaluation by more than rounding.
package enum EvaluationSettings {
    /// Keys of the jets that are used.
    package static let jets = ["data.classes", "data.class_names", "data.max_constituents", "data.allow_empty_jets"]
    /// Keys of losses that a model is evaluated with.
    package static let losses = [
        "masking", "head.label_smoothing", "head.gamma", "head.positive_weight", "tasks.particle_id.label_smoothing",
        "tasks.kmeans.label_smoothing", "tasks.bins.label_smoothing", "tasks.vqvae.label_smoothing",
        "tasks.regression.loss", "tasks.flow.noise", "tasks.flow.tail_bound",
    ]

    /// The values of the keys, as YAML.
    static func values(in configuration: Configuration) -> [String: String] {
        let keys = jets + losses + ["seed", "training.average.evaluate", "parallel.precision", "evaluate"]
        return Dictionary(configuration.settings.filter { $0.isIn(keys) }.map { ($0.key, $0.value) }) { $1 }
    }
}
