extension ClosedRange<Int> {
    /// 1, 2, 3, …
    package static var positive: ClosedRange<Int> { 1...Int.max }
    /// 0, 1, 2, …
    package static var nonNegative: ClosedRange<Int> { 0...Int.max }
}

extension ClosedRange<Double> {
    /// 0 < x
    package static var positive: ClosedRange<Double> { Double.leastNonzeroMagnitude...Double.infinity }
    /// 0 ≤ x
    package static var nonNegative: ClosedRange<Double> { 0...Double.infinity }
    /// 0 ≤ x ≤ 1
    package static var zeroToOne: ClosedRange<Double> { 0...1 }
    /// 0 ≤ x < 1, as for a decay rate
    package static var belowOne: ClosedRange<Double> { 0...1.0.nextDown }
}

/// Describes a range in words that follow "must be": `at least 1`, `greater than 0`, `from 0 to 1`.
func phrase<T>(for range: ClosedRange<T>) -> String {
    let (lower, upper) = (spelled(range.lowerBound), spelled(range.upperBound))
    guard lower != upper else { return lower }
    // A bound one floating-point step from a round number, such as 1.0.nextDown, excludes that number.
    let excludedLower = (range.lowerBound as? Double).flatMap { rounder($0.nextDown, than: $0) }
    let excludedUpper = (range.upperBound as? Double).flatMap { rounder($0.nextUp, than: $0) }
    let minimum = excludedLower.map { "greater than \($0)" } ?? "at least \(lower)"
    let maximum = excludedUpper.map { "less than \($0)" } ?? "at most \(upper)"
    switch (isUnlimited(range.lowerBound), isUnlimited(range.upperBound)) {
    case (false, true): return minimum
    case (true, false): return maximum
    case (true, true): return "finite"
    case (false, false):
        let isClosed = excludedLower == nil && excludedUpper == nil
        return isClosed ? "from \(lower) to \(upper)" : "\(minimum) and \(maximum)"
    }
}

/// The text of a number, without a fraction for a whole number: `1`, not `1.0`.
func spelled<T>(_ value: T) -> String {
    (value as? Double).flatMap { Int(exactly: $0) }.map(String.init) ?? "\(value)"
}

private func rounder(_ neighbour: Double, than bound: Double) -> String? {
    neighbour.description.count < bound.description.count ? spelled(neighbour) : nil
}

private func isUnlimited<T>(_ bound: T) -> Bool {
    (bound as? Double)?.isInfinite ?? (bound as? Int).map { $0 == .min || $0 == .max } ?? false
}
