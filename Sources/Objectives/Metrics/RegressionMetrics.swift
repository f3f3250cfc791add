import Jets
import System

/// Figures of merit of predicted numbers. Those that are undefined for the given numbers are NaN.
package struct RegressionMetrics: Sendable {
    /// Half of the central 68.27 % interval, which is σ for a normal distribution.
    private static let probabilities = (low: 0.158655, high: 0.841345)

    /// Predicted − true, in the units of the target.
    private let differences: [Float]
    /// Predicted / true where the truth is positive.
    private let responses: [Float]
    /// The same with their jets; nil after a resampling.
    private let samples: (differences: SortedValues, responses: SortedValues)?

    /// - Parameters:
    ///   - predicted: one number for each jet.
    ///   - target: the true number of each jet.
    package init(predicted: [Float], target: [Float]) {
        invariant(predicted.count == target.count, "\(predicted.count) predictions for \(target.count) targets")
        let positive = target.indices.filter { target[$0] > 0 }
        let found = (
            differences: SortedValues(zip(predicted, target).map { $0 - $1 }),
            responses: SortedValues(positive.map { predicted[$0] / target[$0] }, jets: positive.map { Int32($0) })
        )
        (differences, responses, samples) = (found.differences.values, found.responses.values, found)
    }

    private init(differences: [Float], responses: [Float]) {
        (self.differences, self.responses, samples) = (differences, responses, nil)
    }

    /// The figures if each jet occurs a number of times.
    package func resampled(_ counts: [UInt8]) -> RegressionMetrics {
        guard let samples else { unreachable("a resampling is resampled") }
        return RegressionMetrics(
            differences: samples.differences.resampled(counts), responses: samples.responses.resampled(counts))
    }

    /// The number of jets.
    package var count: Int { differences.count }

    /// The mean of predicted − true.
    package var bias: Double { mean { Double($0) } }

    /// The mean of |predicted − true|.
    package var meanAbsoluteError: Double { mean { abs(Double($0)) } }

    /// The root of the mean squared difference.
    package var rootMeanSquare: Double { mean { Double($0) * Double($0) }.squareRoot() }

    /// Half of the central 68 % interval of predicted − true.
    package var resolution: Double { Self.halfWidth(of: differences) }

    /// The median of predicted / true.
    package var response: Double { responses.isEmpty ? .nan : quantile(0.5, ofSorted: responses) }

    /// Half of the central 68 % interval of predicted / true.
    package var responseResolution: Double { Self.halfWidth(of: responses) }

    private func mean(_ value: (Float) -> Double) -> Double {
        differences.reduce(0) { $0 + value($1) } / Double(differences.count)
    }

    private static func halfWidth(of sorted: [Float]) -> Double {
        guard !sorted.isEmpty else { return .nan }
        return (quantile(probabilities.high, ofSorted: sorted) - quantile(probabilities.low, ofSorted: sorted)) / 2
    }
}
