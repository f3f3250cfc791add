import Objectives
import System

/// The figures of merit of an evaluation, the main ones first.
struct EvaluationMeasures {
    /// A figure; its value is nil for the mean of a term without items, its error if it is not known.
    struct Entry {
        let name: String
        let value: Double?
        let error: Double?
    }

    let all: [Entry]
    /// Number of figures on the terminal, so that an evaluation prints ten lines in total.
    private static let shown = 7

    /// Terms of the loss, monitors, and figures of merit of the predictions. A figure that is both a term and one of
    /// the predictions has the value of the former and the error of the latter.
    init(_ objective: any Objective, _ outcome: Evaluator.Outcome, _ predictions: Predictions) {
        let measures = objective.measures(of: predictions)
        let errors = Dictionary(measures.map { ($0.name, $0.error) }) { first, _ in first }
        let terms: [(name: String, value: Double?)] =
            zip(objective.terms, outcome.means).map { ($0.column, $1) }
            + zip(objective.monitors, outcome.monitors).map { ($0.rawValue, $1) }
        let names = Set(terms.map(\.name))
        all =
            terms.map { Entry(name: $0.name, value: $0.value, error: errors[$0.name] ?? nil) }
            + measures.filter { !names.contains($0.name) }.map {
                Entry(name: $0.name, value: $0.value, error: $0.error)
            }
    }

    /// The main figures with their errors, in a few lines.
    ///
    /// - Parameter file: the file with all figures.
    func summary(in file: String) -> String {
        let lines = all.prefix(Self.shown).map { entry in
            [entry.name, entry.value.map { rounded($0, error: entry.error) } ?? "none"]
        }
        let rest = all.count - lines.count
        return (lines.isEmpty ? [] : [aligned(Array(lines))]).joined()
            + (rest > 0 ? "\n\(rest) more in \(file)" : "")
    }
}
