
/// How many of some values lie in each of thirty bins of equal width between the least and the greatest.
package struct ValueHistogram: Equatable {
    package private(set) var minimum = Double.infinity
    package private(set) var maximum = -Double.infinity
    package private(set) var sum = 0.0
    package private(set) var sumOfSquares = 0.0
    /// One bin where all values are the same.
    package private(set) var bins: [Int] = []
    package var count: Int { bins.reduce(0, +) }

    /// Counts the values that are finite; nil where none is.
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

    /// Where each bin ends.
    package var upperEdges: [Double] {
        (1...bins.count).map { minimum + (maximum - minimum) * Double($0) / Double(bins.count) }
    }
}
