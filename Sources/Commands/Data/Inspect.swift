import ArgumentParser
import Foundation
import HDF5
import Jets
import Runs
import System

struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Describes data files or a checkpoint.",
        discussion: """
            For data files it prints classes, distributions of the features, identities and datasets; for large sets \
            from a random sample of their blocks.

              kaon inspect train.h5
              kaon inspect data/train 'more/*.h5'
              kaon inspect runs/quickstart/checkpoints/latest
            """)

    @Argument(help: "HDF5 data files, folders or quoted patterns; or one checkpoint.", completion: .file())
    var files: [String]

    @Flag(help: "Print the statistics of data files as JSON.")
    var json = false

    func run() throws {
        print(try json ? inspectAsJSON(files) : inspect(files))
    }
}

/// `kaon inspect`: a description in words and tables. For a checkpoint: step, configuration and parameters; for data:
/// jets, classes, datasets, distributions of the features, and whether kaon can train on them.
///
/// A path may be a file, a folder of data files or a pattern with `*`. Throws `HDF5Error` or `JetError` if there is
/// nothing to read, `KaonError` for a checkpoint of another version.
package func inspect(_ paths: [String]) throws -> String {
    try paths.forEach(checkIsNoRun)
    guard paths.count == 1, isFile(paths[0]) else {
        let statistics = try JetStatistics(paths)
        let bytes = statistics.paths.reduce(0) { $0 + fileSize($1) }
        return "\(plural(statistics.paths.count, "file")) (\(megabytes(bytes))): \(statistics.jets) jets\n\n"
            + describe(statistics)
    }
    let path = paths[0]
    if ExportedModel.isExport(path) {
        let model = try ExportedModel(contentsOf: path)
        return "\(path) (\(megabytes(fileSize(path)))): a model in the safetensors format\n\(model)"
    }
    let file = try openSealed(path)
    var text = "\(path) (\(megabytes(fileSize(path)))): "
    if file.root.contains("model"), file.root.hasAttribute("format") {
        text += try describeCheckpoint(file.root, path)
    } else if file.root.contains("csts") {
        text += try describeJets(file.root, path) + "\n" + table(of: datasets(under: file.root))
    } else {
        text +=
            "an HDF5 file that is neither a checkpoint of kaon nor jets in the padded or the packed "
            + "layout\n\n" + table(of: try datasets(under: file.root))
    }
    return text
}

/// `kaon inspect --json`: the distributions of the jets as JSON. Throws `HDF5Error` or `JetError`.
package func inspectAsJSON(_ paths: [String]) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    return String(decoding: try encoder.encode(try JetStatistics(paths)), as: UTF8.self)
}

/// True if a path is to be opened as a single file: also a missing one, so that the HDF5 library reports it.
private func isFile(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
        ? !isFolder.boolValue : !path.contains { "*?[".contains($0) }
}

package func fileSize(_ path: String) -> Int {
    (try? FileManager.default.attributesOfItem(atPath: realPath(path))[.size] as? Int) ?? 0
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
        \(try root.group("optimizer").intsAttribute("updates").max() ?? 0) updates of the optimizer

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
    var text: String
    if root.contains("offsets") {
        let jets = max(0, (try root.dataset("offsets").shape.first ?? 0) - 1)
        text = "jets in the packed layout, \(jets) with \(shape.first ?? 0) constituents\n"
    } else {
        let slots = shape.count > 1 ? shape[1] : 0
        text = "jets in the padded layout, \(shape.first ?? 0) of up to \(slots) constituents\n"
    }
    do {
        text += "\n" + describe(try JetStatistics([path])) + "\n"
    } catch {
        text += "not usable: \(error)\n"
    }
    return text
}

/// Row of the table of datasets.
private struct Row {
    let name: String
    let type: String
    let shape: [Int]
    let storedBytes: Int

    var elements: Int { shape.reduce(1, *) }
}

private func datasets(under group: borrowing Group, prefix: String = "", depth: Int = 0) throws -> [Row] {
    // A link may lead back to a parent group.
    guard depth < 32 else { return [Row(name: prefix + "…", type: "group", shape: [], storedBytes: 0)] }
    var rows: [Row] = []
    for child in try group.children {
        let name = prefix + child.name
        switch child.kind {
        case .group:
            rows += try datasets(under: group.group(child.name), prefix: name + "/", depth: depth + 1)
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
