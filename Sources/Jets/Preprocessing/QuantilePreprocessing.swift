import MPI
import System
import Tensors

/// Maps every feature to a standard normal distribution through its quantiles, as scikit-learn's
/// `QuantileTransformer(output_distribution="normal")` does.
///
/// u = ½ [I(x; q, p) − I(−x; −q, −p)], where I interpolates linearly from the quantiles q to their probabilities
/// p = 0, 1/(Q−1), …, 1; y = Φ⁻¹(u), clipped to ±5.199. The two terms differ where quantiles are equal; their mean is
/// the middle of the step. The impact parameters of neutral constituents, which have no track, become standard normal
/// noise. Q quantiles, F features.
package struct QuantilePreprocessing: Preprocessing, Equatable {
    package static let name = PreprocessingOptions.Name.quantile.rawValue
    package static let arrayNames = ["quantiles"]

    package let features: JetFeatures
    /// Quantiles of each feature, Q.
    package let quantileCount: Int
    /// The quantiles, `[Q, F]`, row-major, rising in each column.
    package var quantiles: [Double] {
        (0..<quantileCount).flatMap { row in columns.indices.map { columns[$0].quantiles[row] } }
    }
    package var arrays: [FittedArray] {
        [FittedArray(name: "quantiles", shape: [quantileCount, features.count], values: quantiles)]
    }
    private let columns: [Column]

    package init(features: JetFeatures, arrays: [FittedArray]) throws {
        try arrays[0].checkRows(columns: features.count, minimum: 2)
        try self.init(features: features, quantiles: arrays[0].values)
    }

    /// A transformation with the given quantiles (`[Q, F]`, row-major). Throws `JetError` unless they are finite and
    /// rising in each column.
    package init(features: JetFeatures = .all, quantiles: [Double]) throws {
        invariant(
            quantiles.count % features.count == 0 && quantiles.count >= 2 * features.count,
            "\(quantiles.count) quantiles do not fill rows of \(features.count)")
        self.features = features
        let count = quantiles.count / features.count
        quantileCount = count
        columns = try features.indices.indices.map { column in
            let values = (0..<count).map { quantiles[$0 * features.count + column] }
            guard values.allSatisfy(\.isFinite), zip(values, values.dropFirst()).allSatisfy({ $0 <= $1 })
            else {
                throw JetError(
                    "the quantiles of feature '\(features.names[column])' are not finite and rising; "
                        + "fit the preprocessing again")
            }
            return Column(values)
        }
    }

    package func apply(
        to stored: UnsafePointer<Float>, identities: UnsafePointer<UInt8>, count: Int, jet: Int, epoch: Int,
        seed: UInt64, into result: UnsafeMutablePointer<Float>
    ) {
        let (from, to) = (features.storedCount, features.count)
        var hasImpactParameters = false
        for column in 0..<to {
            let feature = features.indices[column]
            let isImpactParameter = JetFeatures.impactParameters.contains(feature)
            hasImpactParameters = hasImpactParameters || isImpactParameter
            columns[column].withTable { table in
                for token in 0..<count {
                    if isImpactParameter && features.identities.isNeutral(identities[token]) { continue }
                    result[token * to + column] = table.transform(stored[token * from + feature])
                }
            }
        }
        guard hasImpactParameters else { return }
        for token in 0..<count where features.identities.isNeutral(identities[token]) {
            let key = RandomKey(
                seed: seed, stream: .neutralNoise, epoch: epoch, jet: jet, constituent: token)
            let words = key.block(0)
            let (first, second) = RandomSequence.boxMuller(words.x, words.y)
            let (third, fourth) = RandomSequence.boxMuller(words.z, words.w)
            let noise = SIMD4(first, second, third, fourth)
            // Each impact parameter has its own of the four numbers, whatever else is selected.
            for (column, feature) in features.indices.enumerated()
            where JetFeatures.impactParameters.contains(feature) {
                result[token * to + column] = noise[feature - JetFeatures.impactParameters.lowerBound]
            }
        }
    }

    /// Transforms one value of a column, without noise.
    package func transform(_ value: Float, column: Int) -> Float {
        columns[column].withTable { $0.transform(value) }
    }

    package func invert(_ values: UnsafeMutablePointer<Float>, count: Int) {
        for column in 0..<features.count {
            columns[column].withTable { table in
                for token in 0..<count {
                    let index = token * features.count + column
                    values[index] = table.invert(values[index])
                }
            }
        }
    }

    /// Fits quantiles to the features of a dataset; collective, and bit-identical for any number of ranks.
    ///
    /// The quantiles are those of a `ConstituentSample` of `jets` jets and at most `valuesPerFeature` constituents;
    /// those of impact parameters are of charged constituents only. Throws `AgreedError` on every rank if a rank cannot
    /// read or a feature has no value.
    package static func fit(
        _ dataset: JetDataset, features: JetFeatures = .all, jets: Int = 1_000_000, quantiles: Int = 500,
        valuesPerFeature: Int = 4_000_000, seed: UInt64 = 0, on communicator: Communicator,
        warn: (String) -> Void = { _ in }
    ) throws -> QuantilePreprocessing {
        invariant(quantiles >= 2, "\(quantiles) quantiles")
        let sample = try ConstituentSample.read(
            dataset, jets: jets, valuesPerFeature: valuesPerFeature, seed: seed, on: communicator)
        sample.summary.warnings(features).forEach(warn)
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

/// The quantiles of one feature, and for each quantile the first one that is equal to it.
private struct Column: Sendable, Equatable {
    let quantiles: [Double]
    let firstEqual: [Int32]

    init(_ quantiles: [Double]) {
        self.quantiles = quantiles
        var firstEqual: [Int32] = []
        for row in quantiles.indices {
            let repeats = row > 0 && quantiles[row] == quantiles[row - 1]
            firstEqual.append(repeats ? firstEqual[row - 1] : Int32(row))
        }
        self.firstEqual = firstEqual
    }

    @inline(__always)
    func withTable<R>(_ body: (Table) -> R) -> R {
        quantiles.withUnsafeBufferPointer { quantiles in
            firstEqual.withUnsafeBufferPointer { firstEqual in
                let (first, equal) = (quantiles.baseAddress!, firstEqual.baseAddress!)
                return body(Table(quantiles: first, firstEqual: equal, count: quantiles.count))
            }
        }
    }
}

/// Pointers to the arrays of a column.
private struct Table {
    let quantiles: UnsafePointer<Double>
    let firstEqual: UnsafePointer<Int32>
    let count: Int

    /// Values within this margin of an end are clipped (scikit-learn's BOUNDS_THRESHOLD).
    private static let margin = 1e-7
    /// Φ⁻¹(1 − (margin − 2⁻⁵²)).
    private static let limit = 5.199337582605575

    @inline(__always)
    func transform(_ value: Float) -> Float {
        let x = Double(value)
        if x - Self.margin < quantiles[0] { return Float(-Self.limit) }
        if x + Self.margin > quantiles[count - 1] { return Float(Self.limit) }
        // Binary search without branches for the last quantile ≤ x. x is inside, so `low` is not the last one.
        var low = 0
        var length = count
        while length > 1 {
            let half = length >> 1
            low += quantiles[low + half] <= x ? half : 0
            length -= half
        }
        let probability: Double
        if quantiles[low] == x {
            probability = 0.5 * (Double(low) + Double(firstEqual[low]))
        } else {
            probability = Double(low) + (x - quantiles[low]) / (quantiles[low + 1] - quantiles[low])
        }
        let y = normalQuantile(probability / Double(count - 1))
        return Float(min(max(y, -Self.limit), Self.limit))
    }

    @inline(__always)
    func invert(_ value: Float) -> Float {
        let probability = normalProbability(Double(value))
        if probability - Self.margin < 0 { return Float(quantiles[0]) }
        if probability + Self.margin > 1 { return Float(quantiles[count - 1]) }
        let position = probability * Double(count - 1)
        let low = min(Int(position), count - 2)
        let step = quantiles[low + 1] - quantiles[low]
        return Float(quantiles[low] + step * (position - Double(low)))
    }
}
