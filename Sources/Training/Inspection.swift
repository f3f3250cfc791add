import Foundation
import HDF5
import Jets

/// A description of an HDF5 file in words and a table: a checkpoint's step, configuration and parameters, or the jets,
/// classes and datasets of a data file.
///
/// Throws `HDF5Error` when the file cannot be read.
public func inspect(_ path: String) throws -> String {
    let file = try File(opening: path)
    let size = (try? FileManager.default.attributesOfItem(atPath: realPath(path))[.size] as? Int) ?? 0
    var text = "\(path): "
    if file.root.contains("model"), file.root.hasAttribute("format") {
        text += try describeCheckpoint(file.root)
    } else if file.root.contains("csts") {
        text += try describeJets(file.root)
    } else {
        text += "an HDF5 file that is neither a checkpoint of kaon nor jets in the padded layout\n"
    }
    text += try "\n" + table(of: datasets(under: file.root, prefix: ""))
    return text + "\n\(megabytes(size)) on disk"
}

private func realPath(_ path: String) -> String { URL(fileURLWithPath: path).resolvingSymlinksInPath().path }

private func describeCheckpoint(_ root: borrowing Group) throws -> String {
    let state = try root.group("state")
    let model = try root.group("model")
    var count = 0
    for child in try model.children { count += try model.dataset(child.name).shape.reduce(1, *) }
    return """
        a checkpoint of kaon \(try root.stringAttribute("kaon"))
        step \(try state.intAttribute("step")), epoch \(try state.intAttribute("epoch")) \
        (batch \(try state.intAttribute("step_in_epoch"))), \(try state.intAttribute("jets")) jets seen
        \(count) parameters

        configuration:
        \(try root.stringAttribute("configuration").split(separator: "\n").map { "  " + $0 }.joined(separator: "\n"))

        """
}

private func describeJets(_ root: borrowing Group) throws -> String {
    let shape = try root.dataset("csts").shape
    var text = "jets in the padded layout: \(shape[0]) jets with up to \(shape.count > 1 ? shape[1] : 0) constituents\n"
    guard root.contains("labels") else { return text }
    let labels = try root.dataset("labels")
    let names = labels.hasAttribute("names") ? try labels.stringsAttribute("names") : []
    var counts: [Int: Int] = [:]
    for label in try root.read("labels", as: Int.self) { counts[label, default: 0] += 1 }
    for label in counts.keys.sorted() {
        let name = names.indices.contains(label) ? names[label] : "?"
        text += "  class \(label) \(name): \(counts[label]!) jets\n"
    }
    return text
}

private struct Row {
    let name: String
    let type: String
    let shape: String
    let storage: String
}

private func datasets(under group: borrowing Group, prefix: String) throws -> [Row] {
    var rows: [Row] = []
    for child in try group.children {
        let name = prefix + child.name
        switch child.kind {
        case .group: rows += try datasets(under: group.group(child.name), prefix: name + "/")
        case .dataset:
            let dataset = try group.dataset(child.name)
            let shape = dataset.shape.map { "\($0)" }.joined(separator: " × ")
            rows.append(
                Row(
                    name: name, type: "\(dataset.elementType)", shape: shape,
                    storage: megabytes(dataset.storedBytes)))
        case .other: rows.append(Row(name: name, type: "other", shape: "", storage: ""))
        }
    }
    return rows
}

private func table(of rows: [Row]) -> String {
    let rows = [Row(name: "dataset", type: "type", shape: "shape", storage: "stored")] + rows
    func width(_ column: KeyPath<Row, String>) -> Int { rows.map { $0[keyPath: column].count }.max()! }
    func pad(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: width - text.count) }
    let widths = (width(\.name), width(\.type), width(\.shape))
    return rows.map {
        "\(pad($0.name, widths.0))  \(pad($0.type, widths.1))  \(pad($0.shape, widths.2))  \($0.storage)"
    }.joined(separator: "\n")
}

private func megabytes(_ bytes: Int) -> String {
    bytes < 1 << 20 ? String(format: "%.1f kB", Double(bytes) / 1000) : String(format: "%.1f MB", Double(bytes) / 1e6)
}
