import ArgumentParser
import Configuration
import Foundation
import Objectives
import Runs
import Supervision
import System

struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compares two runs: differences of their configurations, and metrics side by side.",
        discussion: """
            Prints the last value of every metric and the best one with its step: the lowest loss or error, or \
            the highest value of measures such as the accuracy. On a terminal it also draws the curves.

              kaon compare runs/quickstart runs/other
            """)

    @Argument(help: "Run directory.", completion: .directory)
    var first: String

    @Argument(help: "Run directory to compare with.", completion: .directory)
    var second: String

    @Flag(inversion: .prefixedNo, help: "Draw the curves (default: on a terminal only).")
    var curves: Bool?

    func run() throws {
        Launch.leaveToFirstProcess(code: 0)
        print(try compare(first, second, showsCurves: curves ?? (isatty(STDOUT_FILENO) == 1)))
    }
}

/// `kaon compare`: differences of the configurations of two runs, and their metrics side by side.
///
/// Throws `KaonError` if a folder is not a run directory.
///
/// - Parameter showsCurves: true to draw the metrics over the steps.
package func compare(_ first: String, _ second: String, showsCurves: Bool) throws -> String {
    let runs = try [first, second].map(RunResults.init)
    var parts = zip(["A", "B"], runs).map { "\($0)  \($1.path): \($1.progress)" }.joined(separator: "\n")
    let changes = runs[0].configuration.changes(to: runs[1].configuration)
    parts += "\n\n"
    if changes.isEmpty {
        parts += "the configurations are equal"
    } else {
        parts += aligned(
            [["configuration", "A", "B"]] + rows(of: changes, runs.map { $0.configuration.settings.map(\.key) }))
    }
    var names: [String] = []
    for run in runs { for name in run.columns where !names.contains(name) { names.append(name) } }
    guard !names.isEmpty else { return parts + "\n\nneither run has metrics yet" }
    parts +=
        "\n\n"
        + aligned(
            [["metrics", "A last", "A best (step)", "B last", "B best (step)"]]
                + names.map { name in [name] + runs.flatMap { [$0.last(name), $0.best(name)] } })
    if showsCurves { parts += "\n\n" + curves(of: names.filter { $0.contains("/") }, runs) }
    return parts
}

/// A row for each key that differs, but one for all keys of a section that only one of the runs has.
///
/// - Parameter keys: those of each run.
private func rows(of changes: [ConfigurationChange], _ keys: [[String]]) -> [[String]] {
    func count(_ section: Substring, _ keys: [String]) -> Int { keys.count { $0.hasPrefix(section + ".") } }
    var rows: [[String]] = []
    for change in changes {
        let sections = change.key.indices.filter { change.key[$0] == "." }.map { change.key[..<$0] }
        let section = sections.first { section in keys.contains { count(section, $0) == 0 } }
        let counts = section.map { section in keys.map { count(section, $0) } } ?? []
        guard let section, counts.max()! > 1 else {
            rows.append([change.key, shortened(change.old), shortened(change.new)])
            continue
        }
        let row = [String(section)] + counts.map { $0 == 0 ? "–" : plural($0, "key") }
        if rows.last != row { rows.append(row) }
    }
    return rows
}

/// Cuts long values, such as lists of files.
private func shortened(_ text: String) -> String { text.count > 60 ? text.prefix(59) + "…" : text }

/// One line of block characters for each metric and run, over the steps, on common axes.
private func curves(of names: [String], _ runs: [RunResults]) -> String {
    let last = runs.compactMap { $0.steps.last }.max() ?? 1
    let rows = names.compactMap { name -> [[String]]? in
        let points = runs.map { $0.points(name) }
        let values = points.joined().map(\.value)
        guard let low = values.min(), let high = values.max() else { return nil }
        let ends = [high, low].map { rounded($0, digits: 4) }
        // Values that are equal as printed are drawn as a constant, or rounding errors would fill the height.
        let height = low...(ends[0] == ends[1] ? low : high)
        let range = ends.joined(separator: " to ")
        return zip(["A", "B"], points).enumerated().map { index, run in
            [index == 0 ? name : "", run.0, sparkline(run.1, height, steps: last), index == 0 ? range : ""]
        }
    }
    return aligned([["steps 1 to \(last)", "", "", "highest to lowest"]] + rows.joined())
}

/// A line of forty columns, each the mean of the values at its steps; a column without values repeats the one before.
/// Blank before the first value and after the last.
package func sparkline(_ points: [(step: Int, value: Double)], _ range: ClosedRange<Double>, steps: Int) -> String {
    let columns = 40
    var sums = Array(repeating: (sum: 0.0, count: 0), count: columns)
    for (step, value) in points {
        let column = min(columns - 1, max(0, (step - 1) * columns / max(1, steps)))
        sums[column] = (sums[column].sum + value, sums[column].count + 1)
    }
    let blocks = Array("▁▂▃▄▅▆▇█")
    let width = range.upperBound - range.lowerBound
    let last = sums.lastIndex { $0.count > 0 } ?? -1
    var block: Character = " "
    return String(
        sums.enumerated().map { column, mean in
            if mean.count > 0 {
                let height = width > 0 ? (mean.sum / Double(mean.count) - range.lowerBound) / width : 0
                block = blocks[min(blocks.count - 1, Int(height * Double(blocks.count)))]
            }
            return column <= last ? block : " "
        })
}

/// Configuration and metrics in a run directory.
private struct RunResults {
    let path: String
    let configuration: Configuration
    /// Columns of `metrics.csv` with at least one value, without step, epoch and jets.
    private(set) var columns: [String] = []
    private(set) var steps: [Int] = []
    private var values: [String: [Double?]] = [:]

    init(_ path: String) throws {
        self.path = path
        guard FileManager.default.fileExists(atPath: path + "/config.yaml") else {
            throw KaonError("\(path) is not a run directory: it has no config.yaml")
        }
        configuration = try Configuration(contentsOf: path + "/config.yaml")
        guard let metrics = try? String(contentsOfFile: path + "/metrics.csv", encoding: .utf8) else { return }
        // The text after the last line break is still being written.
        let lines = metrics.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map {
            $0.split(separator: ",", omittingEmptySubsequences: false)
        }
        guard let header = lines.first, header.first == "step" else { return }
        for line in lines.dropFirst() {
            guard line.count == header.count, let step = Int(line[0]) else {
                throw KaonError("\(path)/metrics.csv is damaged: '\(line.joined(separator: ","))'")
            }
            steps.append(step)
        }
        for (index, name) in header.enumerated().dropFirst(3) {
            let column = lines.dropFirst().map { Double($0[index]) }.map { $0?.isFinite == true ? $0 : nil }
            guard column.contains(where: { $0 != nil }) else { continue }
            columns.append(String(name))
            values[String(name)] = column
        }
    }

    /// `60 of 100 steps`.
    var progress: String {
        let wanted = configuration.settings.first { $0.key == "training.steps" }?.value ?? "?"
        // A run that was stopped may have a checkpoint of a later step than its last row.
        return "\(max(steps.last ?? 0, RunDirectory.lastStep(in: path) ?? 0)) of \(wanted) steps"
    }

    func points(_ name: String) -> [(step: Int, value: Double)] {
        zip(steps, values[name] ?? []).compactMap { step, value in value.map { (step, $0) } }
    }

    func last(_ name: String) -> String { points(name).last.map { rounded($0.value, digits: 5) } ?? "–" }

    /// The lowest loss or error, or the highest value of other measures; columns such as jets_per_second have no best
    /// value.
    func best(_ name: String) -> String {
        guard let slash = name.firstIndex(of: "/") else { return "" }
        let isMinimised = LossTerm.isMinimised(column: String(name[name.index(after: slash)...]))
        let points = points(name)
        let best = isMinimised ? points.min { $0.value < $1.value } : points.max { $0.value < $1.value }
        return best.map { "\(rounded($0.value, digits: 5)) (\($0.step))" } ?? "–"
    }
}
