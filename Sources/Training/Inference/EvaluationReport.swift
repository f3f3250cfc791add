import Foundation
import Jets
import Objectives
import Runs
import System

/// `metrics.json`.
package struct EvaluationReport: Codable {
    /// A file of test jets, and the number of its jets that were used.
    struct TestFile: Codable {
        let path: String
        let jets: Int
    }

    /// The checkpoint as it was given.
    var checkpoint: String
    /// The file that it was, if it was given as a link such as `best`.
    var checkpointFile: String?
    /// The step of the checkpoint; nil for an exported model.
    package var step: Int?
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
        case checkpoint, step, test, files, objective, jets, measures, errors, tables, classes, provenance
        case checkpointFile = "checkpoint_file"
    }

    init(_ model: TrainedModel, _ measures: EvaluationMeasures, _ predictions: Predictions, of dataset: JetDataset) {
        checkpoint = model.checkpoint
        let url = URL(fileURLWithPath: model.checkpoint)
        let file = url.resolvingSymlinksInPath().lastPathComponent
        checkpointFile = file == url.lastPathComponent ? nil : file
        step = try? Checkpoint.step(of: model.checkpoint)
        test = model.options.data.test
        files = zip(dataset.paths, dataset.jetsOfFiles).map { TestFile(path: $0, jets: $1) }
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
