import System
import Tensors

/// The weights of the linear maps of a store in the order in which bfloat16 products read them in place.
///
/// A step updates the layouts after the weights have changed, attaches them to the parameters for its products, and
/// detaches them before the weights change again.
package final class WeightLayouts {
    private struct Entry {
        let variable: Variable
        let layout: WeightLayout
        /// Number of elements of the weights before this one.
        let start: Int
        var rows: Int { variable.value.rows }
        var inputs: Int { variable.value.columns }
    }

    private let entries: [Entry]
    /// Number of elements of all weights.
    private let work: Int

    /// Number of bfloat16 elements of all layouts.
    package static func elements(of store: ParameterStore) -> Int {
        store.parameters.reduce(0) { $0 + (elements(of: $1) ?? 0) }
    }

    private static func elements(of parameter: Parameter) -> Int? {
        guard parameter.isFactor else { return nil }
        return WeightLayout.elements(outputs: parameter.shape[0], inputs: parameter.shape[1])
    }

    /// - Parameter memory: bfloat16, of `elements(of:)` elements, in units of 64 bytes.
    package init(_ store: ParameterStore, in memory: Tensor) {
        var (first, start) = (0, 0)
        entries = store.parameters.compactMap { parameter in
            guard let count = Self.elements(of: parameter) else { return nil }
            defer { (first, start) = (first + count, start + parameter.range.count) }
            let layout = WeightLayout(
                outputs: parameter.shape[0], inputs: parameter.shape[1],
                in: memory.slice(first..<first + count, shape: [count]))
            return Entry(variable: parameter.variable, layout: layout, start: start)
        }
        work = start
    }

    /// Lays out part `index` of `count` of all weights, on all threads.
    package func update(part index: Int, of count: Int) {
        parallel(work, grain: 1 << 16) { range in
            // The rows of a weight whose first element lies in both ranges.
            func position(_ place: Int) -> Int { (work * index + place) / count }
            let (lower, upper) = (position(range.lowerBound), position(range.upperBound))
            for entry in entries where entry.start < upper && entry.start + entry.rows * entry.inputs > lower {
                let unit = WeightLayout.rows * entry.inputs
                func row(_ place: Int) -> Int {
                    min(entry.rows, max(0, (place - entry.start + unit - 1) / unit * WeightLayout.rows))
                }
                entry.layout.update(from: entry.variable.value, rows: row(lower)..<row(upper))
            }
        }
    }

    /// Lets products read the layouts.
    package func attach() { for entry in entries { entry.variable.layout = entry.layout } }

    /// Lets products read the weights themselves.
    package func detach() { for entry in entries { entry.variable.layout = nil } }
}
