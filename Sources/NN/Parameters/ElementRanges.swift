import System
import Tensors

/// Some elements of the flat buffers of a store, in ascending ranges. A compact buffer holds them one after the other.
package struct ElementRanges: Sendable, Equatable {
    /// Consecutive elements, by their place in the flat buffers and in a compact buffer.
    package struct Part: Sendable, Equatable {
        package let elements: Range<Int>
        package let compact: Range<Int>
    }

    /// Disjoint ascending ranges that do not touch.
    package let parts: [Part]

    /// - Parameter ranges: disjoint and ascending; empty ones are left out, adjacent ones are joined.
    package init(_ ranges: [Range<Int>]) {
        var joined: [Range<Int>] = []
        for range in ranges where !range.isEmpty {
            let end = joined.last?.upperBound ?? 0
            invariant(range.lowerBound >= end, "the range \(range) does not follow \(end)")
            if let last = joined.last, last.upperBound == range.lowerBound {
                joined[joined.count - 1] = last.lowerBound..<range.upperBound
            } else {
                joined.append(range)
            }
        }
        var start = 0
        parts = joined.map { range in
            defer { start += range.count }
            return Part(elements: range, compact: start..<start + range.count)
        }
    }

    /// All elements of the buffers of a store.
    package init(allOf parameters: ParameterStore) { self.init([0..<parameters.values.count]) }

    /// Number of elements.
    package var count: Int { parts.last?.compact.upperBound ?? 0 }

    /// The parts that lie within `bounds`.
    package func parts(in bounds: Range<Int>) -> [Part] {
        parts.compactMap { part in
            let elements = part.elements.clamped(to: bounds)
            guard !elements.isEmpty else { return nil }
            let first = part.compact.lowerBound + elements.lowerBound - part.elements.lowerBound
            return Part(elements: elements, compact: first..<first + elements.count)
        }
    }
}
