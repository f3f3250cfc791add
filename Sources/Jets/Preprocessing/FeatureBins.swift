import MPI
import System
import Tensors

/// Bins of each preprocessed feature, whose numbers are targets for classification. T tokens, F features.
package struct FeatureBins: Sendable, Equatable {
    /// The placement of the borders of bins.
    package enum Spacing: String, Sendable, CaseIterable {
        /// The same number of values in each bin.
        case quantile
        /// Bins of equal width between the 0.1 % and the 99.9 % quantile; values beyond are in the first or last bin.
        case uniform
    }

    /// The borders between the bins of each feature, rising: `[F][count − 1]`.
    package let borders: [[Float]]
    /// The number of bins of each feature.
    package let count: Int

    /// Bins with the given borders, the same number for each feature. Throws `JetError` unless they are finite and
    /// rising.
    package init(borders: [[Float]]) throws {
        invariant(
            !borders.isEmpty && borders.allSatisfy { $0.count == borders[0].count },
            "the features have different numbers of borders")
        for (feature, borders) in borders.enumerated() {
            guard borders.allSatisfy(\.isFinite), zip(borders, borders.dropFirst()).allSatisfy({ $0 <= $1 })
            else { throw JetError("the borders of the bins of feature \(feature) are not finite and rising") }
        }
        self.borders = borders
        count = borders[0].count + 1
    }

    /// The bin of each value of a feature, T values. A value on a border is in the bin above it.
    ///
    /// - Parameter values: preprocessed features, `[T, F]`.
    package func indices(of values: Tensor, feature: Int) -> [Int32] {
        let features = values.columns
        invariant(features == borders.count, "\(features) features for bins of \(borders.count)")
        return borders[feature].withUnsafeBufferPointer { borders in
            withExtendedLifetime(values) {
                (0..<values.rows).map { index(of: values.pointer[$0 * features + feature], borders) }
            }
        }
    }

    /// The number of borders ≤ `value`.
    @inline(__always)
    private func index(of value: Float, _ borders: UnsafeBufferPointer<Float>) -> Int32 {
        var (low, high) = (0, borders.count)
        while low < high {
            let middle = (low + high) / 2
            if borders[middle] <= value { low = middle + 1 } else { high = middle }
        }
        return Int32(low)
    }

    /// Fits borders to the values of all ranks; collective, and bit-identical for any distribution over the ranks.
    /// Throws `AgreedError` if there are no values.
    ///
    /// - Parameter values: preprocessed features of this rank, `[T, F]`.
    package static func fit(
        _ values: Tensor, bins: Int, spacing: Spacing, on communicator: Communicator
    ) throws -> FeatureBins {
        invariant(bins >= 2, "\(bins) bins")
        let features = values.columns
        var borders = [Float](repeating: 0, count: features * (bins - 1))
        for feature in 0..<features {
            // Adding zero turns −0 into +0. The two compare equal, so their sorted order would be arbitrary.
            let own = withExtendedLifetime(values) {
                (0..<values.rows).map { values.pointer[$0 * features + feature] + 0 }
            }
            let parts = try communicator.gather(own)
            let found = try communicator.onRoot {
                let sorted = parts!.joined().sorted()
                guard !sorted.isEmpty else {
                    throw JetError("bins cannot be fitted, because there are no constituents")
                }
                return Self.borders(ofSorted: sorted, bins: bins, spacing: spacing)
            }
            guard let found else { continue }
            borders.replaceSubrange(feature * (bins - 1)..<(feature + 1) * (bins - 1), with: found)
        }
        let all = try communicator.broadcast(borders)
        return try FeatureBins(
            borders: (0..<features).map { Array(all[$0 * (bins - 1)..<($0 + 1) * (bins - 1)]) })
    }

    private static func borders(ofSorted values: [Float], bins: Int, spacing: Spacing) -> [Float] {
        let (first, last) = (quantile(0.001, ofSorted: values), quantile(0.999, ofSorted: values))
        var borders = (1..<bins).map { bin in
            let share = Double(bin) / Double(bins)
            return switch spacing {
            case .quantile: Float(quantile(share, ofSorted: values))
            case .uniform: Float(first + (last - first) * share)
            }
        }
        // The interpolation of equal values may round to falling ones.
        for bin in 1..<max(1, borders.count) { borders[bin] = max(borders[bin], borders[bin - 1]) }
        return borders
    }

    /// The borders as a matrix `[F, count − 1]`, for checkpoints.
    package var table: Tensor { Tensor(Array(borders.joined()), shape: [borders.count, count - 1]) }

    /// Bins with the borders `[F, count − 1]`. Throws `JetError` unless they are finite and rising.
    package init(table: Tensor) throws {
        try self.init(borders: (0..<table.rows).map { table.rows($0..<$0 + 1).array })
    }
}
