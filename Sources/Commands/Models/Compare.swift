import ArgumentParser
import Configuration
import Foundation
import Runs
import System

struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints what two runs differ in: configurations, and metrics side by side.",
        discussion: """
            Of every metric the last value, and the best with its step: the lowest of losses, the highest of \
            measures such as accuracies. On a terminal the curves are drawn below.

              kaon compare runs/quickstart runs/other
            """)

    @Argument(help: "The folder of a run.", completion: .directory)
    var first: String

    @Argument(help: "The folder of another.", completion: .directory)
    var second: String

    @Flag(inversion: .prefixedNo, help: "Draw the curves; by default on a terminal.")
    var curves: Bool?

    func run() throws {
        print(try compare(first, second, showsCurves: curves ?? (isatty(STDOUT_FILENO) == 1)))
    }
}

/// `kaon compare`: what the configurations of two runs differ in, and what their metrics came to.
///
/// - Parameter showsCurves: whether to draw them.
///
/// Throws `KaonError` where a folder is not that of a run.
package func compare(_ first: String, _ second: String, showsCurves: Bool) throws -> String {
    let runs = try [first, second].map(RunResults.init)
    var parts = zip(["A", "B"], runs).map { "\($0)  \($1.path): \($1.progress)" }.joined(separator: "\n")
    let changes = runs[0].configuration.changes(to: runs[1].configuration)
    parts += "\n\n"
    if changes.isEmpty {
        parts += "the configurations are the same"
    } else {
        parts += aligned([["configuration", "A", "B"]] + changes.map { [$0.key, shortened($0.old), shortened($0.new)] })
    }
    var names: [String] = []
    for run in runs { for name in run.columns where !names.contains(name) { names.append(name) } }
    guard !names.isEmpty else { return parts + "\n\nneither run has metrics yet" }
    parts += "\n\n" + aligned(
        [["metrics", "A last", "A best (step)", "B last", "B best (step)"]]
            + names.map { name in [name] + runs.flatMap { [$0.last(name), $0.best(name)] } })
    if showsCurves { parts += "\n\n" + curves(of: names.filter { $0.contains("/") }, runs) }
    return parts
}

/// Long values, such as lists of files, would spoil the table.
private func shortened(_ text: String) -> String { text.count > 60 ? text.prefix(59) + "…" : text }

/// A line of blocks for each metric and run, on common axes: steps to the right, the value upwards.
private func curves(of names: [String], _ runs: [RunResults]) -> String {
    let last = runs.compactMap { $0.steps.last }.max() ?? 1
    let rows = names.compactMap { name -> [[String]]? in
        let points = runs.map { $0.points(name) }
        let values = points.joined().map(\.value)
        guard let low = values.min(), let high = values.max() else { return nil }
        let ends = [high, low].map { rounded($0, digits: 4) }
        // What prints alike is drawn alike: rounding would fill the whole height.
        let height = low...(ends[0] == ends[1] ? low : high)
        let range = ends.joined(separator: " to ")
        return zip(["A", "B"], points).enumerated().map { index, run in
            [index == 0 ? name : "", run.0, sparkline(run.1, height, steps: last), index == 0 ? range : ""]
        }
    }
    return aligned([["steps 1 to \(last)", "", "", "highest to lowest"]] + rows.joined())
}

/// Forty columns, each the mean of the values at its steps, or the column before it where there is none; blank before the
/// first value and after the last.
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
    return String(sums.enumerated().map { column, mean in
        if mean.count > 0 {
            let height = width > 0 ? (mean.sum / Double(mean.count) - range.lowerBound) / width : 0
            block = blocks[min(blocks.count - 1, Int(height * Double(blocks.count)))]
        }
        return column <= last ? block : " "
    })
}

/// A number with some significant digits.
private func rounded(_ value: Double, digits: Int) -> String { String(format: "%.\(digits)g", value) }

/// What a run has left in its folder.
private struct RunResults {
    let path: String
    let configuration: Configuration
    /// The columns of `metrics.csv` that have a value and do not say where in the run it stands.
    private(set) var columns: [String] = []
    private(set) var steps: [Int] = []
    private var values: [String: [Double?]] = [:]

    init(_ path: String) throws {
        self.path = path
        guard FileManager.default.fileExists(atPath: path + "/config.yaml") else {
            throw KaonError("\(path) is not the folder of a run: it has no config.yaml")
        }
        configuration = try Configuration(contentsOf: path + "/config.yaml")
        guard let metrics = try? String(contentsOfFile: path + "/metrics.csv", encoding: .utf8) else { return }
        // What follows the last line break is still being written.
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
        return "\(steps.last ?? 0) of \(wanted) steps"
    }

    func points(_ name: String) -> [(step: Int, value: Double)] {
        zip(steps, values[name] ?? []).compactMap { step, value in value.map { (step, $0) } }
    }

    func last(_ name: String) -> String { points(name).last.map { rounded($0.value, digits: 5) } ?? "–" }

    /// The lowest of losses, the highest of other measures of the model; what only describes the run has no best.
    func best(_ name: String) -> String {
        guard name.contains("/") else { return "" }
        let points = points(name)
        let best = name.hasSuffix("_loss") ? points.min { $0.value < $1.value } : points.max { $0.value < $1.value }
        return best.map { "\(rounded($0.value, digits: 5)) (\($0.step))" } ?? "–"
    }
}
