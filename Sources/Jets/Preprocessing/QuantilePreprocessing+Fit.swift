import HDF5
import MPI
import System

extension QuantilePreprocessing {
    /// Finds the quantiles of the features of a dataset; collective, and the same to the bit for any number
    /// of ranks.
    ///
    /// The quantiles are those of a `ConstituentSample`: of `jets` jets and at most `valuesPerFeature`
    /// constituents, impact parameters of charged ones only. Throws `AgreedError` on every rank when a rank
    /// cannot read, or a feature has no value.
    package static func fit(
        _ dataset: JetDataset, features: JetFeatures = .all, jets: Int = 1_000_000, quantiles: Int = 500,
        valuesPerFeature: Int = 4_000_000, seed: UInt64 = 0, on communicator: Communicator
    ) throws -> QuantilePreprocessing {
        invariant(quantiles >= 2, "\(quantiles) quantiles")
        let sample = try ConstituentSample.read(
            dataset, jets: jets, valuesPerFeature: valuesPerFeature, seed: seed, on: communicator)
        var table = [Double](repeating: 0, count: quantiles * features.count)
        for (column, feature) in features.indices.enumerated() {
            let values = try sample.sortedValues(of: feature, in: dataset, on: communicator)
            if let values {
                for row in 0..<quantiles {
                    table[row * features.count + column] = quantile(
                        Double(row) / Double(quantiles - 1), ofSorted: values)
                }
                // Rounding may break the order of equal values by a bit.
                for row in 1..<quantiles {
                    let index = row * features.count + column
                    table[index] = max(table[index], table[index - features.count])
                }
            }
        }
        return try QuantilePreprocessing(features: features, quantiles: try communicator.broadcast(table))
    }
}

/// The quantile by linear interpolation, as NumPy computes it.
func quantile(_ probability: Double, ofSorted values: [Float]) -> Double {
    let position = probability * Double(values.count - 1)
    let low = min(Int(position), values.count - 1)
    let high = min(low + 1, values.count - 1)
    let (a, b, t) = (Double(values[low]), Double(values[high]), position - Double(low))
    return t < 0.5 ? a + (b - a) * t : b - (b - a) * (1 - t)
}
