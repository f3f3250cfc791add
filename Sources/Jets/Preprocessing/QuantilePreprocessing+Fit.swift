import MPI
import System

extension QuantilePreprocessing {
    /// Fits quantiles to the features of a dataset; collective, and bit-identical for any number of ranks.
    ///
    /// The quantiles are those of a `ConstituentSample` of `jets` jets and at most `valuesPerFeature` constituents;
    /// those of impact parameters are of charged constituents only. Throws `AgreedError` on every rank if a rank cannot
    /// read or a feature has no value.
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
                // The interpolation of equal values may round to falling ones.
                for row in 1..<quantiles {
                    let index = row * features.count + column
                    table[index] = max(table[index], table[index - features.count])
                }
            }
        }
        return try QuantilePreprocessing(features: features, quantiles: communicator.broadcast(table))
    }
}
