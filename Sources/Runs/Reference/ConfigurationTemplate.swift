import Configuration
import Foundation
import Objectives
import System

/// `kaon init`: writes a configuration file for an objective with its main keys, their defaults and descriptions.
/// Returns the path of the file.
///
/// Throws `KaonError` if the file already exists or cannot be written.
package func writeTemplate(_ name: String, for objective: ObjectiveOptions.Name) throws -> String {
    let path = name.hasSuffix(".yaml") || name.hasSuffix(".yml") ? name : name + ".yaml"
    guard !FileManager.default.fileExists(atPath: path) else {
        throw KaonError("\(path) already exists; choose another name")
    }
    let run = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
    guard !run.isEmpty, !run.hasPrefix(".") else { throw KaonError("'\(name)' is not a file name") }
    try createFolder(of: path)
    try writeAtomically(try configurationTemplate(path: path, for: objective), to: path)
    return path
}

/// The text of a configuration file for an objective: each main key with its default and a comment. Keys that a
/// downstream task takes from its backbone are left out.
package func configurationTemplate(path file: String, for objective: ObjectiveOptions.Name) throws -> String {
    var configuration = try Configuration(yaml: "", name: "the template")
    for setting in KeyExplorer.minimalSettings(objective, backbone: "CHECKPOINT") {
        try configuration.override(setting)
    }
    let root = configuration.section()
    _ = try RunOptions(from: root, of: configuration, name: "NAME")
    let omitted: KeyTraits = objective.isDownstream ? [.advanced, .inherited] : .advanced
    let command = objective.isDownstream ? "finetune \(file) backbone=CHECKPOINT" : "pretrain \(file)"
    var lines = [
        "# \(objective.rawValue) with its defaults. See configs/ for the models of the papers, configs/small/ for",
        "# small models and docs/configuration.md for every key.",
        "#",
        "#   kaon \(command) 'data.train=[train.h5]' 'data.validation=[val.h5]'",
        "",
    ]
    var section: [Substring] = []
    for key in root.keysRead where key.traits.isDisjoint(with: omitted) {
        let components = key.path.split(separator: ".")
        for depth in components.indices.dropLast() where !section.starts(with: components[...depth]) {
            lines += header(components[depth], depth: depth)
        }
        section = components.dropLast()
        if key.isSection, !key.isNull {
            lines += header(components.last!, depth: section.count, comment: comment(on: key))
            section = components
        } else {
            // The folder keeps its placeholder for the name of the run.
            let value = key.path == "run.directory" ? key.defaultText ?? "" : key.valueText
            let line = "\(indentation(section.count))\(components.last!): \(value)"
            lines += commented(line, comment(on: key))
        }
    }
    return lines.joined(separator: "\n") + "\n"
}

private func indentation(_ depth: Int) -> String { String(repeating: "  ", count: depth) }

/// The line that opens a section, after an empty line at the root.
private func header(_ name: Substring, depth: Int, comment: String = "") -> [String] {
    (depth == 0 ? [""] : []) + commented("\(indentation(depth))\(name):", comment)
}

/// The description of a key as plain text, with the values that it takes.
private func comment(on key: ConfigurationKey) -> String {
    // References to other pages are left out; of other links, the text remains.
    var comment = key.help.replacing(#/ \(\[[^)]*\)(, \[[^)]*\))*\)/#, with: "")
        .replacing(#/\[([^\]]*)\]\([^)]*\)/#) { $0.1 }.replacing("`", with: "")
    if !key.choices.isEmpty { comment += " (\(key.choices.joined(separator: ", ")))" }
    if key.isSection, key.isNull { comment += "; {} enables it" }
    return comment
}

/// A line with a comment to its right, wrapped into comment lines below.
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
