import Foundation
import MPI
import NN
import Runs
import System
import Training

/// The model card beside an exported file.
package struct CardRequest: Sendable {
    let file: OutputFile
    let license: String?

    /// Throws `KaonError` unless the licence is an identifier.
    package init(beside output: OutputFile, license: String?) throws {
        if let license, license.wholeMatch(of: /[a-z0-9][a-z0-9.+-]*/) == nil {
            throw KaonError(
                "--license '\(license)': expected an identifier of model hubs in lower case, such as mit, apache-2.0, "
                    + "cc-by-4.0 or other")
        }
        let folder = URL(fileURLWithPath: output.path).deletingLastPathComponent().relativePath
        file = OutputFile(folder == "." ? "README.md" : folder + "/README.md", overwrites: output.overwrites)
        self.license = license
    }

    /// Throws `KaonError` if there is another card that must not be replaced, or a text that is no card of kaon.
    func check() throws {
        guard let text = FileManager.default.contents(atPath: file.path) else { return }
        guard file.overwrites else {
            throw KaonError(
                "\(file.path) already exists; choose another folder for --output, or --force to replace it")
        }
        guard String(decoding: text, as: UTF8.self).contains("\nlibrary_name: kaon\n") else {
            throw KaonError("\(file.path) is not a model card of kaon; choose another folder for --output")
        }
    }
}

extension ModelCard {
    /// Adds what the files of the run say about a checkpoint: its results, if they are those of the exported weights,
    /// and its provenance. Throws `HDF5Error`.
    ///
    /// - Parameter average: true if the moving average of the weights is exported.
    mutating func addRun(of checkpoint: String, _ options: RunOptions, average: Bool) throws {
        step = try Checkpoint.step(of: checkpoint)
        provenance = try Checkpoint.provenance(of: checkpoint)
        let folder = evaluationFolder(of: checkpoint)
        let run = URL(fileURLWithPath: folder).deletingLastPathComponent().relativePath
        var report = EvaluationReport(contentsOf: folder + "/metrics.json")
        if let found = report, try !found.isOf(checkpoint) { report = nil }
        // A copy of a checkpoint may be beside the metrics of another run.
        let isInRun = URL(fileURLWithPath: checkpoint).deletingLastPathComponent().lastPathComponent == "checkpoints"
        let validated = isInRun ? validation(in: run + "/metrics.csv") : []
        if let report, report.isOfAverage(options) == average {
            results = Results(
                jets: "\(plural(report.jets, "test jet"))", files: report.test,
                measures: report.measures.sorted { $0.key < $1.key }.compactMap { name, value in
                    value.map { (name, $0) }
                })
        } else if !validated.isEmpty, options.evaluatesAverage == average {
            results = Results(jets: "the validation jets", files: options.data.validation, measures: validated)
        } else if report != nil || !validated.isEmpty {
            reasonForNoResults =
                average
                ? "These are the moving averages of the weights (`training.average`). They have not been evaluated: "
                    + "the results of the run are those of the weights of its last step, which `kaon export` writes "
                    + "without `--average`."
                : "These are the weights of the last step. They have not been evaluated: the results of the run are "
                    + "those of the moving averages of the weights (`training.average`), which `kaon export "
                    + "--average` writes."
        }
    }

    /// The values of the columns `valid/…` at the step of the model; empty if there are none.
    private func validation(in path: String) -> [(name: String, value: Double)] {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [] }
        let rows = text.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
        guard let header = rows.first else { return [] }
        return header.enumerated().compactMap { column, name in
            guard name.hasPrefix("valid/") else { return nil }
            let values = rows.dropFirst().lazy.filter { $0.count == header.count && Int($0[0]) == step }
                .compactMap { Double($0[column]) }
            return values.last.map { (String(name), $0) }
        }
    }
}
