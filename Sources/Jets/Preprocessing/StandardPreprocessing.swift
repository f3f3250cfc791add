import Foundation
import HDF5
import MPI
import System
import Tensors

/// Brings every feature to mean 0 and variance 1, after squashing those with long tails: version 1's
/// preprocessing (arXiv:2401.13537).
///
/// y = (s(x) − μ) / σ with s(x) = ln(1 + x) for pT in GeV, x for Δη and Δφ, and sign(x) ln(1 + |x| / 0.01 mm)
/// for the impact parameters, whose scale is the resolution of a track. Those of neutral constituents, which
/// have no track, become 0, the mean of the others.
package struct StandardPreprocessing: Preprocessing, Equatable {
    package let features: JetFeatures
    /// The mean of each squashed feature.
    package let means: [Double]
    /// The standard deviation of each squashed feature.
    package let deviations: [Double]

    /// A transformation with known means and deviations, one of each a feature. Throws where a deviation is
    /// not above zero or a number not finite.
    package init(features: JetFeatures = .all, means: [Double], deviations: [Double]) throws {
        invariant(
            means.count == features.count && deviations.count == features.count,
            "\(means.count) means and \(deviations.count) deviations for \(features.count) features")
        for (name, (mean, deviation)) in zip(features.names, zip(means, deviations))
        where !(mean.isFinite && deviation.isFinite && deviation > 0) {
            throw JetError(
                "feature '\(name)' has the mean \(mean) and the standard deviation \(deviation), which no "
                    + "scale can be made of; leave it out of the list")
        }
        self.features = features
        self.means = means
        self.deviations = deviations
    }

    package func apply(
        to stored: UnsafePointer<Float>, identities: UnsafePointer<UInt8>, count: Int, jet: Int, epoch: Int,
        seed: UInt64, into result: UnsafeMutablePointer<Float>
    ) {
        let (from, to) = (JetFeatures.allNames.count, features.count)
        for (column, feature) in features.indices.enumerated() {
            let isImpactParameter = JetFeatures.impactParameters.contains(feature)
            let squash = Squash(feature: feature)
            let (mean, deviation) = (means[column], deviations[column])
            for token in 0..<count {
                let isMissing = isImpactParameter && JetFeatures.isNeutral(identities[token])
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

    /// Writes the datasets `means` and `deviations` (one number a feature) and the attribute `features` into
    /// a group, with checksums. Throws `HDF5Error`.
    package func save(to group: borrowing Group) throws {
        try group.setAttribute("features", to: features.names)
        try group.sealAttributes()
        try group.writeVerified(means, shape: [features.count], as: "means")
        try group.writeVerified(deviations, shape: [features.count], as: "deviations")
    }

    /// Reads what `save(to:)` wrote. Throws `HDF5Error`, or `JetError` at contents that do not fit.
    package init(from group: borrowing Group) throws {
        try group.verifyAttributes()
        let features = try JetFeatures(try group.stringsAttribute("features"))
        let means = try group.readVerified("means", as: Double.self)
        let deviations = try group.readVerified("deviations", as: Double.self)
        guard means.count == features.count, deviations.count == features.count else {
            throw JetError(
                "the stored preprocessing has \(means.count) means and \(deviations.count) deviations for "
                    + "\(features.count) features")
        }
        try self.init(features: features, means: means, deviations: deviations)
    }

    /// Finds means and deviations of a dataset; collective, and the same to the bit for any number of ranks.
    ///
    /// They are those of a `ConstituentSample`: of `jets` jets and at most `valuesPerFeature` constituents,
    /// impact parameters of charged ones only. Throws `AgreedError` on every rank when a rank cannot read,
    /// and `JetError` where a feature has one value only.
    package static func fit(
        _ dataset: JetDataset, features: JetFeatures = .all, jets: Int = 1_000_000,
        valuesPerFeature: Int = 4_000_000, seed: UInt64 = 0, on communicator: Communicator
    ) throws -> StandardPreprocessing {
        let sample = try ConstituentSample.read(
            dataset, jets: jets, valuesPerFeature: valuesPerFeature, seed: seed, on: communicator)
        var moments: [Double] = []
        for feature in features.indices {
            // The sorted values are added in the same order whoever read them.
            let values = try sample.sortedValues(of: feature, in: dataset, on: communicator)
            let squash = Squash(feature: feature)
            let squashed = (values ?? []).map { squash(Double($0)) }
            let count = Double(max(1, squashed.count))
            let mean = squashed.reduce(0, +) / count
            let variance = squashed.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
            // The deviation of equal values is rounding.
            let isConstant = values.map { $0.first == $0.last } ?? false
            moments += [mean, isConstant ? 0 : variance.squareRoot()]
        }
        moments = try communicator.broadcast(moments)
        return try StandardPreprocessing(
            features: features, means: features.indices.indices.map { moments[2 * $0] },
            deviations: features.indices.indices.map { moments[2 * $0 + 1] })
    }
}

/// How a stored feature is squashed: an odd function of x, or x itself.
private struct Squash {
    /// What |x| is compared with; nil where x stays.
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
