import Foundation
import MPI
import System

/// Counts over constituents that show whether features can be what their names say. Impact parameters are those of
/// charged constituents.
package struct FeatureSummary: Sendable, Equatable {
    /// Larger angles to the jet axis are improbable: the radius of the widest jets in use is 1.5.
    private static let largestAngle: Float = 1.6
    /// At least half of the constituents of jets at colliders are softer [GeV].
    private static let largeMomentum: Float = 200
    /// Of many jets, one constituent at least is harder [GeV].
    private static let smallMomentum: Float = 10
    /// Larger impact parameters are outside of tracking detectors [mm].
    private static let largestImpactParameter: Float = 900
    /// A single value beyond its limit by this factor is not a measurement, but a placeholder or damage.
    private static let impossibleFactor: Float = 1000
    /// The limit of a single value of features that have none.
    private static let largestValue: Float = 1e12
    /// With fewer constituents there are only warnings of single values.
    private static let fewest = 500

    package private(set) var jets = 0
    /// The number of jets whose constituents are not stored by decreasing pT.
    package private(set) var unsortedJets = 0
    package private(set) var emptyJets = 0
    /// For each feature, the number of values, of zeros, of negative ones, and of those beyond its limit.
    private var counts, zeros, negative, beyond: [Int]
    /// The number of constituents of each identity class.
    private var identities: [Int]
    private var minima, maxima: [Float]
    /// The features of the blocks.
    private let features: JetFeatures

    /// Larger pseudorapidities are outside of detectors at colliders.
    private static let largestPseudorapidity: Float = 12
    /// Larger azimuths are not in radians; those of 0 … 2π are accepted.
    private static let largestAzimuth: Float = 6.3

    /// The limit of the absolute value of each of the seven features.
    private static let limits: [Float] =
        [largeMomentum, largestAngle, largestAngle] + [Float](repeating: largestImpactParameter, count: 4)
    /// The same of features of events.
    private static let eventLimits = ["eta": largestPseudorapidity, "phi": largestAzimuth]

    /// A summary of no constituents.
    package init(_ features: JetFeatures = .all) {
        self.features = features
        let none = [Int](repeating: 0, count: features.storedCount)
        (counts, zeros, negative, beyond) = (none, none, none, none)
        identities = [Int](repeating: 0, count: features.identities.count)
        minima = none.map { _ in .infinity }
        maxima = none.map { _ in -.infinity }
    }

    /// The number of constituents.
    package var constituents: Int { counts[0] }

    package mutating func add(_ block: JetBlock) {
        let width = block.width
        invariant(width == counts.count, "\(width) features in a summary of \(counts.count)")
        jets += block.count
        unsortedJets += block.unsortedJets
        for jet in 0..<block.count where block.offsets[jet].isEmpty { emptyJets += 1 }
        for identity in block.identities { identities[Int(identity)] += 1 }
        block.values.withUnsafeBufferPointer { values in
            for feature in 0..<width {
                let isTrack = JetFeatures.impactParameters.contains(feature)
                let limit = limit(of: feature)
                var (count, zeros, negative, beyond) = (0, 0, 0, 0)
                var (least, most) = (minima[feature], maxima[feature])
                for token in 0..<block.identities.count {
                    if isTrack && features.identities.isNeutral(block.identities[token]) { continue }
                    let value = values[token * width + feature]
                    count += 1
                    zeros += value == 0 ? 1 : 0
                    negative += value < 0 ? 1 : 0
                    beyond += abs(value) > limit ? 1 : 0
                    least = min(least, value)
                    most = max(most, value)
                }
                counts[feature] += count
                self.zeros[feature] += zeros
                self.negative[feature] += negative
                self.beyond[feature] += beyond
                (minima[feature], maxima[feature]) = (least, most)
            }
        }
    }

    /// The summary of the constituents of all ranks; collective. Throws `MPIError`.
    func combined(on communicator: Communicator) throws -> FeatureSummary {
        var all = FeatureSummary(features)
        let width = counts.count
        let sums = try communicator.allReduce(
            [jets, unsortedJets, emptyJets] + identities + counts + zeros + negative + beyond)
        (all.jets, all.unsortedJets, all.emptyJets) = (sums[0], sums[1], sums[2])
        all.identities = Array(sums[3..<3 + identities.count])
        let rest = Array(sums[(3 + identities.count)...])
        (all.counts, all.zeros) = (Array(rest[..<width]), Array(rest[width..<2 * width]))
        (all.negative, all.beyond) = (Array(rest[2 * width..<3 * width]), Array(rest[(3 * width)...]))
        let extremes = try communicator.allReduce(minima.map { -$0 } + maxima, .maximum)
        (all.minima, all.maxima) = (extremes[..<width].map { -$0 }, Array(extremes[width...]))
        return all
    }

    // MARK: Warnings

    /// Sentences about features that cannot be what their names say.
    package func warnings(_ features: JetFeatures = .all) -> [String] { warnings(columns: features.indices) }

    /// The same about some columns of the blocks.
    func warnings(columns: [Int]) -> [String] {
        var sentences: [String] = []
        if unsortedJets > 0 {
            sentences.append(
                "the constituents of \(unsortedJets) of \(jets) jets are not stored by decreasing pT; they are sorted "
                    + "when they are read")
        }
        guard constituents >= Self.fewest else { return sentences + columns.compactMap(warningOfExtreme) }
        sentences += columns.compactMap { warning(about: $0) ?? warningOfExtreme(of: $0) }
        if let only = identities.firstIndex(of: constituents) {
            sentences.append(
                "all constituents have the identity \(only) (\(features.identities.names[only])): fill /csts_id, or "
                    + "train without it (model.identity=false)")
        }
        return sentences
    }

    /// The absolute value that only few constituents may exceed.
    private func limit(of feature: Int) -> Float {
        feature < Self.limits.count
            ? Self.limits[feature] : Self.eventLimits[features.storedNames[feature]] ?? .infinity
    }

    /// A sentence about a value that no constituent can have; it would dominate means, deviations and losses.
    private func warningOfExtreme(of feature: Int) -> String? {
        guard counts[feature] > 0 else { return nil }
        let extreme = -minima[feature] > maxima[feature] ? minima[feature] : maxima[feature]
        let limit = limit(of: feature)
        guard abs(extreme) > (limit.isFinite ? Self.impossibleFactor * limit : Self.largestValue) else { return nil }
        return "feature '\(features.storedNames[feature])' reaches \(extreme): is this a placeholder for missing "
            + "values, or is the file damaged?"
    }

    private func warning(about feature: Int) -> String? {
        let (name, count) = (self.features.storedNames[feature], counts[feature])
        guard count > 1 else { return nil }
        let owners = JetFeatures.impactParameters.contains(feature) ? "charged constituents" : "constituents"
        func percent(_ number: Int) -> String { String(format: "%.3g %%", 100 * Double(number) / Double(count)) }
        if minima[feature] == maxima[feature] {
            return "feature '\(name)' is \(minima[feature]) for all \(owners): is it filled?"
        }
        switch name {
        case "pt":
            if 2 * beyond[feature] > count {
                return "feature 'pt' exceeds 200 GeV for \(percent(beyond[feature])) of the constituents: is it in MeV?"
            }
            if maxima[feature] < Self.smallMomentum {
                return "feature 'pt' is at most \(maxima[feature]) GeV: is it in TeV, a logarithm or a fraction?"
            }
        case "deta", "dphi":
            if 1000 * beyond[feature] > count {
                return "feature '\(name)' exceeds 1.6, more than a jet radius, for \(percent(beyond[feature])) of the "
                    + "constituents: is it relative to the jet axis, and in radians?"
            }
        case "eta", "phi":
            if 1000 * beyond[feature] > count {
                let (limit, question) =
                    name == "eta" ? ("12", "is it a pseudorapidity?") : ("6.3", "is it in radians?")
                return "feature '\(name)' exceeds \(limit) for \(percent(beyond[feature])) of the constituents: "
                    + question
            }
        case "d0err", "dzerr":
            if negative[feature] > 0 {
                return "feature '\(name)', an error, is negative for \(percent(negative[feature])) of the \(owners)"
            }
            if 2 * zeros[feature] > count {
                return "feature '\(name)', an error, is zero for \(percent(zeros[feature])) of the \(owners)"
            }
            fallthrough
        default:
            if 1000 * beyond[feature] > count {
                return
                    "feature '\(name)' exceeds 900 mm for \(percent(beyond[feature])) of the \(owners): is it in mm, "
                    + "and are there placeholders for missing values?"
            }
        }
        return nil
    }
}
