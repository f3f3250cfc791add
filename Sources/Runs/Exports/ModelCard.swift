import Foundation
import Objectives
import System

/// The description of an exported model for people and for model hubs, `README.md`: front matter in YAML with the keys
/// of the Hugging Face Hub (https://huggingface.co/docs/hub/model-cards), and text in Markdown.
package struct ModelCard {
    /// Measures of the model on some jets.
    package struct Results {
        /// A description of the jets, such as `1000 test jets`.
        package let jets: String
        package let files: [String]
        package let measures: [(name: String, value: Double)]

        package init(jets: String, files: [String], measures: [(name: String, value: Double)]) {
            (self.jets, self.files, self.measures) = (jets, files, measures)
        }
    }

    private let options: RunOptions
    private let part: ExportedPart
    /// The name of the exported file.
    private let file: String
    package var names = ParameterNames.kaon
    package var step = 0
    package var parameters = 0
    /// The network in words.
    package var network = ""
    package var classes: [String] = []
    /// Lines about the program and the machine of the training.
    package var provenance: [String] = []
    /// nil if the model has not been evaluated.
    package var results: Results?
    /// A remark in the place of the results; nil for the usual one.
    package var reasonForNoResults: String?
    /// An identifier of the hub, such as `mit`; nil if none is stated.
    package var license: String?

    package init(of options: RunOptions, part: ExportedPart, file: String) {
        (self.options, self.part, self.file) = (options, part, file)
    }

    package var text: String {
        let sections = [
            frontMatter, "# \(options.run.name)\n\n\(summary)", "## Model\n\n" + model, "## Data\n\n" + data,
            "## Results\n\n" + resultsTable, "## Use\n\n" + use, "## Licence\n\n" + licence,
            "## Configuration\n\n```yaml\n\(options.resolved)```",
        ]
        return sections.joined(separator: "\n\n") + "\n"
    }

    // MARK: - Front matter

    private var frontMatter: String {
        var lines = ["---", "license: \(license ?? "unknown")", "library_name: kaon"]
        if part == .model, ["classification", "cwola", "track_origin"].contains(objective) {
            lines.append("pipeline_tag: tabular-classification")
        } else if part == .model, objective == "regression" {
            lines.append("pipeline_tag: tabular-regression")
        } else if part == .backbone {
            lines.append("pipeline_tag: feature-extraction")
        }
        lines.append("tags:")
        lines += ["kaon", "jets", "particle-physics", "safetensors", objective].map { "- \($0)" }
        return (lines + modelIndex + ["---"]).joined(separator: "\n")
    }

    /// The results in the form in which hubs list them; without values that are not finite, which they refuse.
    private var modelIndex: [String] {
        guard let results else { return [] }
        let finite = results.measures.filter { $0.value.isFinite }
        guard !finite.isEmpty else { return [] }
        let files = results.files.map { URL(fileURLWithPath: $0).lastPathComponent }
        return [
            "model-index:", "- name: \(quoted(options.run.name))", "  results:", "  - task:",
            "      type: \(quoted(objective))", "      name: \(quoted(objective))", "    dataset:", "      type: jets",
            "      name: \(quoted(files.isEmpty ? results.jets : files.joined(separator: ", ")))", "    metrics:",
        ] + finite.flatMap { ["    - type: \(quoted($0.name))", "      value: \($0.value)"] }
    }

    /// A text as a quoted scalar of YAML, of which JSON is a part.
    private func quoted(_ text: String) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return (try? encoder.encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
    }

    // MARK: - Text

    private var objective: String { options.objective.name.rawValue }

    /// The purpose of the model, after its name and a colon.
    private var purpose: String {
        switch options.objective.name {
        case .mpmV1: "pre-trained by masked particle modelling (arXiv:2401.13537)"
        case .mpmV2: "pre-trained by masked particle modelling (arXiv:2409.12589)"
        case .vqvae: "a VQ-VAE that replaces the constituents of a jet by tokens"
        case .setFlow: "a set-to-set flow matching model (arXiv:2409.12589), which generates jets"
        case .nextToken: "pre-trained by predicting the next token of a jet (arXiv:2403.05618), which generates jets"
        case .classification: "classifies jets"
        case .cwola: "separates signal from background jets, trained without labels of single jets (arXiv:1708.02949)"
        case .vertexing: "groups the tracks of a jet by their vertices"
        case .trackOrigin: "classifies the origin of every track of a jet"
        case .regression: "predicts a quantity of the jet"
        }
    }

    private var summary: String {
        let subject =
            part == .backbone
            ? "The backbone, which maps the constituents of a jet to one vector each, of a model of particle jets"
            : "A model of particle jets"
        return "\(subject): \(purpose). Trained with kaon."
    }

    private var model: String {
        var rows = [("file", "`\(file)`"), ("contents", part.rawValue), ("objective", "`\(objective)`")]
        if !network.isEmpty { rows.append(("network", network)) }
        rows.append(("parameters", "\(parameters)"))
        rows.append(("inputs", options.data.features.names.map { "`\($0)`" }.joined(separator: ", ")))
        rows.append(("constituents of a jet", "up to \(options.data.maxConstituents)"))
        rows.append(("preprocessing", options.preprocessing.name.rawValue + ", included in the file"))
        if let target = setting("regression.target") {
            let reference = setting("regression.relative_to").map { ", relative to `\($0)`" } ?? ""
            rows.append(("target", "`\(target)`\(reference)"))
        }
        if !classes.isEmpty { rows.append(("classes", classes.map { "`\($0)`" }.joined(separator: ", "))) }
        if let backbone = options.backbone, let tuning = options.objective.fineTuning {
            rows.append(("backbone", "`\(backbone)`, \(tuning.mode.rawValue)"))
        }
        rows.append(("training", "\(step) steps of \(options.training.batchSize) jets, seed \(options.seed)"))
        for line in provenance {
            let (name, value) = (line.prefix { $0 != ":" }, line.drop { $0 != ":" }.dropFirst(2))
            if name != "host" { rows.append((String(name), "`\(value)`")) }
        }
        return table(rows.map { [$0.0, $0.1] }, heading: ["", ""])
    }

    private var data: String {
        func files(_ name: String, _ paths: [String]) -> [String] {
            [name, paths.isEmpty ? "none" : paths.map { "`\($0)`" }.joined(separator: ", ")]
        }
        return table(
            [
                files("training", options.data.train), files("validation", options.data.validation),
                files("test", options.data.test),
            ] + selection, heading: ["jets", "files"])
    }

    /// The keys that select jets of these files.
    private var selection: [[String]] {
        let keys = ["data.classes", "data.jets", "data.validation_jets", "training.validation_jets"]
        let set = keys.compactMap { key in setting(key).map { "`\(key)=\($0)`" } }
        return set.isEmpty ? [] : [["selected by", set.joined(separator: ", ")]]
    }

    /// The value of a key; nil if the configuration has none.
    private func setting(_ key: String) -> String? {
        options.configuration.value(of: key).flatMap { ["null", "all"].contains($0) ? nil : $0 }
    }

    private var resultsTable: String {
        guard let results else {
            return reasonForNoResults
                ?? "This model has not been evaluated. `kaon evaluate` writes its measures on jets that it has not "
                + "seen."
        }
        let rows = results.measures.map { [$0.name, rounded($0.value, digits: 5)] }
        return "On \(results.jets):\n\n" + table(rows, heading: ["measure", "value"])
    }

    private var use: String {
        guard names == .kaon else {
            return "The tensors have the names of jetssl (\(names.rawValue)):\n\n```python\n"
                + "model.load_state_dict(safetensors.torch.load_file(\"\(file)\"), strict=True)\n```"
        }
        let command =
            switch options.objective.name {
            case _ where part == .backbone: "kaon encode \(file) 'data.test=[test.h5]' --output encoded.h5"
            case .setFlow, .nextToken: "kaon generate \(file) --jets 10000 --output generated.h5"
            default: "kaon evaluate \(file) 'data.test=[test.h5]' --output evaluation"
            }
        guard options.objective.backbone != nil else { return "```sh\n\(command)\n```" }
        let reference = setting("regression.relative_to")
        let call =
            switch part {
            case .model where reference != nil:
                "predictions = model(csts, csts_id, mask=mask, reference=reference)  # \(reference!) of each jet"
            case .model where options.objective.name.isDownstream:
                "predictions = model(csts, csts_id, mask=mask)          # as in predictions.h5"
            default: "encodings, encoded = model(csts, csts_id, mask=mask)"
            }
        return """
            ```sh
            \(command)
            ```

            In PyTorch, and as an ONNX file:

            ```python
            import kaon_torch

            model = kaon_torch.load("\(file)")
            \(call)
            kaon_torch.export_onnx(model, "model.onnx")
            ```
            """
    }

    private var licence: String {
        license.map { "`\($0)`" } ?? "No licence is stated: ask the authors before you use the model."
    }

    private func table(_ rows: [[String]], heading: [String]) -> String {
        ([heading, heading.map { _ in "---" }] + rows).map { row in
            "| " + row.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |"
        }.joined(separator: "\n")
    }
}
