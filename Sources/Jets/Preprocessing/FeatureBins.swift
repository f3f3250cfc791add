import HDF5
import MPI
import System
import Tensors

/// Bins of each preprocessed feature, as a target for classification: the value of a feature becomes the
/// number of its bin.
package struct FeatureBins: Sendable, Equatable {
    /// Where the borders of the bins lie.
    package enum Spacing: String, Sendable, CaseIterable {
        /// As many values in each bin.
        case quantile
        /// Bins of one width between the 0.1 % and the 99.9 % quantile; what lies beyond is in the first or
        /// the last.
        case uniform
    }

    /// The borders between bins, rising, for each feature; one fewer than bins.
    package let borders: [[Float]]
    /// The number of bins of each feature.
    package let count: Int

    /// Bins with known borders, as many for each feature. Throws where they do not rise or are not finite.
    package init(borders: [[Float]]) throws {
        invariant(!borders.isEmpty && borders.allSatisfy { $0.count == borders[0].count }, "ragged bins")
        for (feature, borders) in borders.enumerated() {
            guard borders.allSatisfy(\.isFinite), zip(borders, borders.dropFirst()).allSatisfy({ $0 <= $1 })
            else { throw JetError("the borders of the bins of feature \(feature) are not finite and rising") }
        }
        self.borders = borders
        count = borders[0].count + 1
    }

    /// The bin of every value of a feature; values are T × F. A value on a border is in the bin above it.
    package func indices(of values: Tensor, feature: Int) -> [Int32] {
        let features = values.columns
        invariant(features == borders.count, "\(features) features for bins of \(borders.count)")
        return borders[feature].withUnsafeBufferPointer { borders in
            withExtendedLifetime(values) {
                (0..<values.rows).map { index(of: values.pointer[$0 * features + feature], borders) }
            }
        }
    }

    /// The number of borders that are not above a value.
    @inline(__always)
    private func index(of value: Float, _ borders: UnsafeBufferPointer<Float>) -> Int32 {
        var (low, high) = (0, borders.count)
        while low < high {
            let middle = (low + high) / 2
            if borders[middle] <= value { low = middle + 1 } else { high = middle }
        }
        return Int32(low)
    }

    /// Finds the borders from values that are spread over the ranks, T × F; collective, and the same to the
    /// bit however they are spread. Throws `AgreedError` where there are none.
    package static func fit(
        _ values: Tensor, bins: Int, spacing: Spacing, on communicator: Communicator
    ) throws -> FeatureBins {
        invariant(bins >= 2, "\(bins) bins")
        let features = values.columns
        var borders = [Float](repeating: 0, count: features * (bins - 1))
        for feature in 0..<features {
            // Adding zero turns −0 into +0, so that the order of equal values cannot be told.
            let own = withExtendedLifetime(values) {
                (0..<values.rows).map { values.pointer[$0 * features + feature] + 0 }
            }
            let parts = try communicator.gather(own)
            let found = try communicator.onRoot {
                let sorted = parts!.joined().sorted()
                guard !sorted.isEmpty else {
                    throw JetError("there are no constituents to make bins of their features")
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
        // Rounding may break the order of equal values by a bit.
        for bin in 1..<max(1, borders.count) { borders[bin] = max(borders[bin], borders[bin - 1]) }
        return borders
    }

    /// The borders of all features, F × (bins − 1), for a checkpoint.
    package var table: Tensor { Tensor(Array(borders.joined()), shape: [borders.count, count - 1]) }

    /// Bins from the table of their borders. Throws `JetError` where they do not rise.
    package init(table: Tensor) throws {
        try self.init(borders: (0..<table.rows).map { table.rows($0..<$0 + 1).array })
    }
}
