import Configuration
import Foundation
import Objectives
import System

/// `kaon init`: writes a configuration of an objective with its main keys, their defaults, and what they say.
///
/// Throws `KaonError` where the file is there already or cannot be written. The path of the file.
package func writeTemplate(_ name: String, for objective: ObjectiveOptions.Name) throws -> String {
    let path = name.hasSuffix(".yaml") || name.hasSuffix(".yml") ? name : name + ".yaml"
    guard !FileManager.default.fileExists(atPath: path) else {
        throw KaonError("\(path) is there already; give another name")
    }
    let run = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
    guard !run.isEmpty, !run.hasPrefix(".") else { throw KaonError("'\(name)' names no file") }
    try writeAtomically(try configurationTemplate(path: path, for: objective), to: path)
    return path
}

/// The text of a configuration of an objective, each main key with its default and a comment; what a downstream task
/// takes over from its backbone is left out.
package func configurationTemplate(path file: String, for objective: ObjectiveOptions.Name) throws -> String {
    var configuration = try Configuration(yaml: "", name: "the template")
    for setting in KeyExplorer.start(objective) { try configuration.override(setting) }
    let root = configuration.section()
    _ = try RunOptions(from: root, of: configuration, name: "{name}")
    let keys = Dictionary(root.askedKeys.map { ($0.path, $0) }) { first, _ in first }
    let command = objective.isDownstream ? "finetune \(file) backbone=CHECKPOINT" : "pretrain \(file)"
    var lines = [
        "# \(objective.rawValue), with the defaults. configs/ has the numbers of the papers, configs/small/ small models,",
        "# docs/configuration.md every key.",
        "#",
        "#   kaon \(command) data.train=[train.h5] data.validation=[val.h5]",
        "",
    ]
    // The sections that a line stands in, by their indentation of two spaces each.
    var place: [String] = []
    for line in configuration.resolved(from: root).split(separator: "\n") {
        let depth = line.prefix { $0 == " " }.count / 2
        let key = String(line.drop { $0 == " " }.prefix { $0 != ":" })
        place = place.prefix(depth) + [key]
        let path = place.joined(separator: ".")
        guard !KeyDescriptions.isRare(path), !objective.isDownstream || !KeyDescriptions.isOfBackbone(path) else {
            continue
        }
        if depth == 0, line.hasSuffix(":") { lines.append("") }
        lines += commented(String(line), KeyDescriptions.comment(on: path, keys[path]))
    }
    return lines.joined(separator: "\n") + "\n"
}

/// A line with a comment at its right, which goes on below where it is long.
private func commented(_ line: String, _ comment: String) -> [String] {
    let (column, width) = (40, 110)
    guard !comment.isEmpty else { return [line] }
    var lines: [String] = []
    var text = line + String(repeating: " ", count: max(2, column - line.count)) + "#"
    for word in comment.split(separator: " ") {
        if text.count + 1 + word.count > width {
            lines.append(text)
            text = String(repeating: " ", count: column) + "#"
        }
        text += " " + word
    }
    return lines + [text]
}

extension KeyDescriptions {
    /// Whether a template leaves a key out, or the section that it stands in.
    fileprivate static func isRare(_ path: String) -> Bool { stands(path, in: rare) }

    /// Whether a downstream task takes a key over from its backbone.
    fileprivate static func isOfBackbone(_ path: String) -> Bool {
        stands(
            path, in: ["backbone_mode", "tokenizer", "model", "preprocessing", "data.features", "data.max_constituents"])
    }

    private static func stands(_ path: String, in places: [String]) -> Bool {
        places.contains { path == $0 || path.hasPrefix($0 + ".") }
    }

    /// What is said of a key, as plain text.
    fileprivate static func comment(on path: String, _ key: ConfigurationKey?) -> String {
        // A section without a key of its own has no comment, nor what has the same name elsewhere.
        guard let key, let text = text(of: path) else { return "" }
        var comment = text.replacing(#/ \(\[[^)]*\)(, \[[^)]*\))*\)/#, with: "").replacing("`", with: "")
        if !key.choices.isEmpty { comment += " (\(key.choices.joined(separator: ", ")))" }
        if key.isSection, key.isNull { comment += "; {} takes it" }
        return comment
    }
}
