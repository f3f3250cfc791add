import ArgumentParser
import Foundation
import HDF5
import Jets
import Runs
import Supervision
import System

struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Describes data files, a checkpoint, or another file that kaon writes.",
        discussion: """
            For data files it prints classes, distributions of the features, identities and datasets; for large sets \
            from a random sample of their blocks. It also describes exported models, fitted.h5 of a run, \
            predictions.h5, encodings, and generated and reconstructed jets. --json prints the same as JSON; \
            'usable' is false for data files that cannot be trained on.

              kaon inspect train.h5
              kaon inspect data/train 'more/*.h5'
              kaon inspect runs/quickstart/checkpoints/latest
            """)

    @Argument(help: "HDF5 data files, folders or quoted patterns; or one other file.", completion: .file())
    var files: [String]

    @Flag(help: "Print the description as JSON.")
    var json = false

    func run() throws {
        Launch.leaveToFirstProcess(code: 0)
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
    return try InspectedFile(paths[0]).text
}

/// `kaon inspect --json`: the same as JSON. Throws as `inspect`.
package func inspectAsJSON(_ paths: [String]) throws -> String {
    try paths.forEach(checkIsNoRun)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let description =
        paths.count == 1 && isFile(paths[0])
        ? try encoder.encode(InspectedFile(paths[0])) : try encoder.encode(JetVerdict(of: JetStatistics(paths)))
    return String(decoding: description, as: UTF8.self)
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
