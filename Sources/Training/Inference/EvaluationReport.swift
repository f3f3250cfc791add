import Foundation
import Objectives
import Runs
import System

/// `metrics.json`.
package struct EvaluationReport: Codable {
    var checkpoint: String
    /// The step of the checkpoint; nil for an exported model.
    package var step: Int?
    /// The files of the jets.
    package var test: [String]
    var objective: String
    package var jets: Int
    /// `null` for the mean of a term without items.
    package var measures: [String: Double?]
    var tables: [String: [[Double]]]?
    var classes: [String]?
    /// The program, the command and the machine of the evaluation; nil in a file of an earlier version.
    var provenance: Provenance?

    init(_ model: TrainedModel, _ measures: [(name: String, value: Double?)], _ predictions: Predictions, jets: Int) {
        checkpoint = model.checkpoint
        step = try? Checkpoint.step(of: model.checkpoint)
        test = model.options.data.test
        objective = model.options.objective.name.rawValue
        self.jets = jets
        self.measures = Dictionary(measures.map { ($0.name, $0.value) }) { first, _ in first }
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
