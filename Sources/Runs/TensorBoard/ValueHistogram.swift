/// Histogram of values in thirty bins of equal width between the minimum and the maximum.
package struct ValueHistogram: Equatable {
    package private(set) var minimum = Double.infinity
    package private(set) var maximum = -Double.infinity
    package private(set) var sum = 0.0
    package private(set) var sumOfSquares = 0.0
    /// Counts by bin; a single bin if all values are equal.
    package private(set) var bins: [Int] = []
    package var count: Int { bins.reduce(0, +) }

    /// Counts the finite values; nil if there are none.
    package init?(_ values: UnsafeBufferPointer<Float>) {
        for value in values where value.isFinite {
            let value = Double(value)
            minimum = min(minimum, value)
            maximum = max(maximum, value)
            sum += value
            sumOfSquares += value * value
        }
        guard minimum <= maximum else { return nil }
        bins = Array(repeating: 0, count: minimum < maximum ? 30 : 1)
        let perUnit = minimum < maximum ? Double(bins.count) / (maximum - minimum) : 0
        for value in values where value.isFinite {
            bins[min(bins.count - 1, Int((Double(value) - minimum) * perUnit))] += 1
        }
    }

    /// Upper edge of each bin.
    package var upperEdges: [Double] {
        (1...bins.count).map { minimum + (maximum - minimum) * Double($0) / Double(bins.count) }
    }
}
