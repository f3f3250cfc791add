import Foundation

/// Loss of a learning-rate range test (Smith, arXiv:1506.01186), in which the learning rate grows exponentially from
/// step to step.
///
/// Losses are smoothed by their exponential moving average, sₙ = 0.9 sₙ₋₁ + 0.1 lossₙ, divided by 1 − 0.9ⁿ.
package struct RateCurve: Sendable {
    package struct Point: Sendable {
        package let rate: Double
        /// Total loss before the update with this rate; nil if it is not finite.
        package let loss: Double?
        package let smoothed: Double
        package let gradientNorm: Double
    }

    private static let smoothing = 0.9
    /// Fewest steps before divergence is judged.
    private static let fewest = 10

    package private(set) var points: [Point] = []
    private var average = 0.0

    package init() {}

    /// Learning rate of step `index` of `count`.
    package static func rate(_ index: Int, of count: Int, from first: Double, to last: Double) -> Double {
        first * pow(last / first, count > 1 ? Double(index) / Double(count - 1) : 0)
    }

    /// Adds a step; a loss that is not finite leaves the smoothed loss as it is.
    package mutating func add(rate: Double, loss: Double?, gradientNorm: Double) {
        let loss = loss.flatMap { $0.isFinite ? $0 : nil }
        if let loss { average = Self.smoothing * average + (1 - Self.smoothing) * loss }
        let count = points.count { $0.loss != nil } + (loss == nil ? 0 : 1)
        let smoothed = count > 0 ? average / (1 - pow(Self.smoothing, Double(count))) : .nan
        points.append(Point(rate: rate, loss: loss, smoothed: smoothed, gradientNorm: gradientNorm))
    }

    /// True if the last loss is not finite, or the smoothed loss exceeds its minimum by three times the minimum or the
    /// decrease before it, whichever is larger.
    package var hasDiverged: Bool {
        guard let last = points.last, last.loss != nil else { return !points.isEmpty }
        guard points.count >= Self.fewest, let lowest else { return false }
        let minimum = points[lowest].smoothed
        return last.smoothed - minimum > 3 * max(abs(minimum), points[0].smoothed - minimum)
    }

    /// Index of the lowest smoothed loss; nil without a loss.
    package var lowest: Int? {
        points.indices.filter { !points[$0].smoothed.isNaN }.min { points[$0].smoothed < points[$1].smoothed }
    }

    /// Index of the suggested rate: where the smoothed loss falls fastest along ln(rate), by a straight line through a
    /// tenth of the points, at least 5, before its minimum. Nil if it never falls.
    package var suggestion: Int? {
        guard let lowest else { return nil }
        let half = max(2, points.count / 20)
        // Rounding alone is no fall.
        let flattest = -1e-9 * max(1, abs(points[0].smoothed))
        var best: (index: Int, slope: Double)?
        for index in points.indices where index >= half && index + half < points.count && index <= lowest {
            let slope = slope(index - half...index + half)
            if slope < best?.slope ?? flattest { best = (index, slope) }
        }
        return best?.index
    }

    /// Slope of the smoothed loss along ln(rate) by least squares.
    private func slope(_ range: ClosedRange<Int>) -> Double {
        let (x, y) = (points[range].map { log($0.rate) }, points[range].map(\.smoothed))
        let (meanX, meanY) = (x.reduce(0, +) / Double(x.count), y.reduce(0, +) / Double(y.count))
        let covariance = zip(x, y).reduce(0) { $0 + ($1.0 - meanX) * ($1.1 - meanY) }
        return covariance / x.reduce(0) { $0 + ($1 - meanX) * ($1 - meanX) }
    }
}

extension RateCurve {
    /// One row for each step, for `kaon-plot rates`.
    package var csv: String {
        let suggestion = suggestion
        let rows = points.enumerated().map { index, point in
            "\(index + 1),\(point.rate),\(point.loss.map { "\($0)" } ?? "nan"),\(point.smoothed),"
                + "\(point.gradientNorm),\(index == suggestion ? 1 : 0)"
        }
        return (["step,learning_rate,loss,smoothed_loss,gradient_norm,suggested"] + rows).joined(separator: "\n") + "\n"
    }
}
