import Foundation
import HDF5
import Jets

/// A description of an HDF5 file in words and a table: a checkpoint's step, configuration and parameters, or
/// the jets, classes and datasets of a data file, and whether kaon can train on it.
///
/// Throws `HDF5Error` when the file cannot be read, `TrainingError` at a checkpoint of another version.
public func inspect(_ path: String) throws -> String {
    let file = try File(opening: path)
    let size = (try? FileManager.default.attributesOfItem(atPath: realPath(path))[.size] as? Int) ?? 0
    var text = "\(path) (\(megabytes(size))): "
    if file.root.contains("model"), file.root.hasAttribute("format") {
        text += try describeCheckpoint(file.root, path)
    } else if file.root.contains("csts") {
        text += try describeJets(file.root, path) + "\n" + table(of: datasets(under: file.root))
    } else {
        text +=
            "an HDF5 file that is neither a checkpoint of kaon nor jets in the padded layout\n\n"
            + table(of: try datasets(under: file.root))
    }
    return text
}

private func realPath(_ path: String) -> String { URL(fileURLWithPath: path).resolvingSymlinksInPath().path }

private func describeCheckpoint(_ root: borrowing Group, _ path: String) throws -> String {
    try Checkpoint.checkFormat(root, path)
    let state = try root.group("state")
    let parameters = try datasets(under: root.group("model"))
    let configuration = try root.stringAttribute("configuration").split(separator: "\n")
    return """
        a checkpoint of kaon \(try root.stringAttribute("kaon"))
        step \(try state.intAttribute("step")), epoch \(try state.intAttribute("epoch")), \
        \(try state.intAttribute("step_in_epoch")) batches of it done, \
        \(try state.intAttribute("jets")) jets seen
        trained on \(try state.stringAttribute("order"))
        \(parameters.reduce(0) { $0 + $1.elements }) parameters, \
        \(try root.group("optimizer").intAttribute("updates")) updates of the optimizer

        configuration:
        \(configuration.map { "  " + $0 }.joined(separator: "\n"))

        /model:
        \(table(of: parameters))

        /state:
        \(table(of: try datasets(under: state)))
        """
}

private func describeJets(_ root: borrowing Group, _ path: String) throws -> String {
    let shape = try root.dataset("csts").shape
    let slots = shape.count > 1 ? shape[1] : 0
    var text = "jets in the padded layout, \(shape.first ?? 0) of up to \(slots) constituents\n"
    do {
        _ = try PaddedFile(path: path, maxConstituents: 1, on: nil)
    } catch {
        return text + "not usable: \(error)\n"
    }
    let labels = try root.dataset("labels")
    let names = labels.hasAttribute("names") ? try labels.stringsAttribute("names") : []
    var counts: [Int: Int] = [:]
    // A file may hold more jets than fit into memory at once.
    var buffer = [Int](repeating: 0, count: 1 << 16)
    for first in stride(from: 0, to: shape[0], by: buffer.count) {
        let rows = first..<min(first + buffer.count, shape[0])
        try buffer.withUnsafeMutableBufferPointer {
            try labels.read(rows: rows, into: UnsafeMutableBufferPointer(rebasing: $0[..<rows.count]))
        }
        for label in buffer.prefix(rows.count) { counts[label, default: 0] += 1 }
    }
    let rows = counts.keys.sorted().map { label in
        ["\(label)", names.indices.contains(label) ? names[label] : "(no name)", "\(counts[label]!)"]
    }
    text += "\n" + aligned([["class", "name", "jets"]] + rows) + "\n"
    return text
}

/// A row of the table of datasets.
private struct Row {
    let name: String
    let type: String
    let shape: [Int]
    let storedBytes: Int

    var elements: Int { shape.reduce(1, *) }
}

private func datasets(under group: borrowing Group, prefix: String = "") throws -> [Row] {
    var rows: [Row] = []
    for child in try group.children {
        let name = prefix + child.name
        switch child.kind {
        case .group: rows += try datasets(under: group.group(child.name), prefix: name + "/")
        case .dataset:
            let dataset = try group.dataset(child.name)
            rows.append(
                Row(
                    name: name, type: "\(dataset.elementType)", shape: dataset.shape,
                    storedBytes: dataset.storedBytes))
        case .other: rows.append(Row(name: name, type: "other", shape: [], storedBytes: 0))
        }
    }
    return rows
}

private func table(of rows: [Row]) -> String {
    aligned(
        [["dataset", "type", "shape", "stored"]]
            + rows.map { row in
                let shape = row.shape.map { "\($0)" }.joined(separator: " × ")
                return [row.name, row.type, shape, megabytes(row.storedBytes)]
            })
}

/// Rows in columns that are as wide as their widest entry.
private func aligned(_ rows: [[String]]) -> String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max()! }
    return rows.map { row in
        let cells = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
        return String(cells.joined(separator: "  ").reversed().drop { $0 == " " }.reversed())
    }.joined(separator: "\n")
}

private func megabytes(_ bytes: Int) -> String {
    bytes < 1_000_000
        ? rounded(Double(bytes) / 1e3, decimals: 1) + " kB"
        : rounded(Double(bytes) / 1e6, decimals: 1) + " MB"
}
