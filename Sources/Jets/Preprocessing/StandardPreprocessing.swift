import Foundation
import MPI
import System

/// Brings every feature to mean 0 and variance 1 after squashing the long tails: the preprocessing of version 1
/// (arXiv:2401.13537).
///
/// y = (s(x) − μ) / σ with s(x) = ln(1 + x) for pT in GeV, x for Δη and Δφ, and sign(x) ln(1 + |x| / 0.01 mm) for the
/// impact parameters, where 0.01 mm is the scale of the track resolution. The impact parameters of neutral
/// constituents, which have no track, become 0, the mean of the others.
package struct StandardPreprocessing: Preprocessing, Equatable {
    package static let name = PreprocessingOptions.Name.standard.rawValue
    package static let arrayNames = ["means", "deviations"]

    package let features: JetFeatures
    /// The mean of each squashed feature, F values.
    package let means: [Double]
    /// The standard deviation of each squashed feature, F values.
    package let deviations: [Double]
    package var arrays: [FittedArray] {
        zip(Self.arrayNames, [means, deviations]).map {
            FittedArray(name: $0, shape: [features.count], values: $1)
        }
    }

    package init(features: JetFeatures, arrays: [FittedArray]) throws {
        for array in arrays { try array.checkRows(columns: features.count, minimum: 1, maximum: 1) }
        try self.init(features: features, means: arrays[0].values, deviations: arrays[1].values)
    }

    /// A transformation with the given means and deviations, F values each. Throws `JetError` unless all are finite and
    /// the deviations positive.
    package init(features: JetFeatures = .all, means: [Double], deviations: [Double]) throws {
        invariant(
            means.count == features.count && deviations.count == features.count,
            "\(means.count) means and \(deviations.count) deviations for \(features.count) features")
        for (name, (mean, deviation)) in zip(features.names, zip(means, deviations))
        where !(mean.isFinite && deviation.isFinite && deviation > 0) {
            throw JetError(
                "feature '\(name)' has the mean \(mean) and the standard deviation \(deviation) and cannot be "
                    + "scaled; leave it out of the list")
        }
        self.features = features
        self.means = means
        self.deviations = deviations
    }

    package func apply(
        to stored: UnsafePointer<Float>, identities: UnsafePointer<UInt8>, count: Int, jet: Int, epoch: Int,
        seed: UInt64, into result: UnsafeMutablePointer<Float>
    ) {
        let (from, to) = (features.storedCount, features.count)
        for (column, feature) in features.indices.enumerated() {
            let isImpactParameter = JetFeatures.impactParameters.contains(feature)
            let squash = Squash(feature: feature)
            let (mean, deviation) = (means[column], deviations[column])
            for token in 0..<count {
                let isMissing = isImpactParameter && features.identities.isNeutral(identities[token])
                let value = (squash(Double(stored[token * from + feature])) - mean) / deviation
                result[token * to + column] = isMissing ? 0 : Float(value)
            }
        }
    }

    package func invert(_ values: UnsafeMutablePointer<Float>, count: Int) {
        for (column, feature) in features.indices.enumerated() {
            let squash = Squash(feature: feature)
            for token in 0..<count {
                let index = token * features.count + column
                values[index] = Float(
                    squash.invert(Double(values[index]) * deviations[column] + means[column]))
            }
        }
    }

    /// Fits means and deviations to a dataset; collective, and bit-identical for any number of ranks.
    ///
    /// They are those of a `ConstituentSample` of `jets` jets and at most `valuesPerFeature` constituents; those of
    /// impact parameters are of charged constituents only. Throws `AgreedError` if a rank cannot read, or if all
    /// values of a feature are equal.
    package static func fit(
        _ dataset: JetDataset, features: JetFeatures = .all, jets: Int = 1_000_000,
        valuesPerFeature: Int = 4_000_000, seed: UInt64 = 0, on communicator: Communicator,
        warn: (String) -> Void = { _ in }
    ) throws -> StandardPreprocessing {
        let sample = try ConstituentSample.read(
            dataset, jets: jets, valuesPerFeature: valuesPerFeature, seed: seed, on: communicator)
        sample.summary.warnings(features).forEach(warn)
        var moments: [Double] = []
        for feature in features.indices {
            // Sorted values are summed in an order that does not depend on the number of ranks.
            let values = try sample.sortedValues(of: feature, in: dataset, on: communicator)
            let squash = Squash(feature: feature)
            let squashed = (values ?? []).map { squash(Double($0)) }
            let count = Double(max(1, squashed.count))
            let mean = squashed.reduce(0, +) / count
            let variance = squashed.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
            // The deviation of equal values would be a rounding error.
            let isConstant = values.map { $0.first == $0.last } ?? false
            moments += [mean, isConstant ? 0 : variance.squareRoot()]
        }
        moments = try communicator.broadcast(moments)
        return try communicator.agree {
            try StandardPreprocessing(
                features: features, means: features.indices.indices.map { moments[2 * $0] },
                deviations: features.indices.indices.map { moments[2 * $0 + 1] })
        }
    }
}

/// The function s that squashes a stored feature: sign(x) ln(1 + |x| / unit), or x itself.
private struct Squash {
    /// 1 GeV for pT, 0.01 mm for impact parameters; nil where s(x) = x.
    private let unit: Double?

    init(feature: Int) {
        switch feature {
        case 0: unit = 1
        case JetFeatures.impactParameters: unit = 0.01
        default: unit = nil
        }
    }

    @inline(__always)
    func callAsFunction(_ x: Double) -> Double {
        guard let unit else { return x }
        return copysign(log1p(abs(x) / unit), x)
    }

    @inline(__always)
    func invert(_ y: Double) -> Double {
        guard let unit else { return y }
        return copysign(unit * expm1(abs(y)), y)
    }
}
