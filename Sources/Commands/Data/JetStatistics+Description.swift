import Foundation
import Jets
import System

/// Statistics of jets as tables for a terminal: classes, features, identities.
package func describe(_ statistics: JetStatistics) -> String {
    func percent(_ fraction: Double) -> String { String(format: "%.2f %%", 100 * fraction) }
    let total = Double(max(1, statistics.classes.reduce(0) { $0 + $1.jets }))
    let classes = statistics.classes.map {
        [
            "\($0.label)", $0.name.isEmpty ? "(no name)" : $0.name, "\($0.jets)",
            percent(Double($0.jets) / total),
        ]
    }
    let probabilities = JetStatistics.Distribution.probabilities
    let distributions = (statistics.features + [statistics.multiplicity]).map { distribution in
        [distribution.name, number(distribution.mean), number(distribution.deviation)]
            + probabilities.indices.map {
                distribution.quantiles.isEmpty ? "" : number(distribution.quantiles[$0])
            } + [percent(distribution.zeros)]
    }
    let heads = probabilities.map { "\(number(100 * $0)) %" }
    let isSample = statistics.sampledBlocks < statistics.blocks
    let sample =
        isSample
        ? "from a random sample: \(statistics.sampledJets) jets, \(statistics.sampledBlocks) of "
            + "\(statistics.blocks) blocks" : "from all \(statistics.sampledJets) jets"
    return """
        \(columns([["class", "name", "jets", "share"]] + classes, left: 2))
        \(statistics.areAllClassesCounted ? "" : "\nThe classes are those of the sample.\n")
        \(columns([["feature", "mean", "deviation"] + heads + ["zeros"]] + distributions, left: 1))

        Impact parameters (d0, d0err, dz, dzerr) are those of charged constituents; \(sample).

        \(columns(
            [["identity", "share"]] + statistics.identities.map { [$0.name, percent($0.fraction)] }, left: 1))
        \(remarks(statistics).map { "\n\($0)" }.joined())
        """
}

/// Sentences about what is unusual.
private func remarks(_ statistics: JetStatistics) -> [String] {
    var remarks = statistics.warnings.map { "Note: \($0)\($0.hasSuffix("?") ? "" : ".")" }
    if statistics.emptyJets > 0 {
        remarks.append(
            "Note: \(statistics.emptyJets) of \(plural(statistics.sampledJets, "jet")) have no constituents; training "
                + "refuses them unless data.allow_empty_jets is set.")
    }
    if statistics.unsortedJets == 0 { remarks.append("The constituents of each jet are stored by decreasing pT.") }
    return remarks
}

/// A number in four significant digits: `0.02331`, `585.2`, `1.5e-07`.
private func number(_ value: Double) -> String { String(format: "%.4g", value) }

/// Rows aligned in columns; the first `left` columns are left-aligned, the others right-aligned.
private func columns(_ rows: [[String]], left: Int) -> String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max()! }
    return aligned(
        rows.map { row in
            row.enumerated().map { column, text in
                column < left ? text : String(repeating: " ", count: widths[column] - text.count) + text
            }
        })
}
