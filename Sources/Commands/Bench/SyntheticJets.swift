import Foundation
import Jets
import Objectives
import Runs
import Tensors

/// Jets with random features whose numbers of constituents have the quantiles of JetClass: 5 % 18, median 38, 95 % 67.
///
/// They carry all that an objective may read: momenta, classes, and labels of the constituents.
struct SyntheticJets {
    /// The classes of the jets; nil unless the objective learns classes.
    let classes: JetClasses?
    private let features, identities: Int
    private let maxConstituents: Int
    /// Constituents of every jet; nil for the quantiles of JetClass.
    private let constituents: Int?
    /// Number of datasets with a label for each constituent.
    private let constituentLabels: Int
    /// Number of quantities of each jet.
    private let quantities: Int

    init(_ options: RunOptions, constituents: Int? = nil) {
        self.constituents = constituents
        classes = options.objective.needsClasses ? JetClasses((0..<10).map { "class \($0)" }) : nil
        (features, identities) = (options.data.features.count, options.data.features.identities.count)
        maxConstituents = options.data.maxConstituents
        constituentLabels = options.objective.constituentLabels.count
        quantities = options.objective.quantities.count
    }

    /// The mean number of constituents of a jet.
    var meanConstituents: Double {
        let batch = batch(0..<256)
        return Double(batch.offsets.tokens) / Double(batch.count)
    }

    /// The jets of some global indices.
    func batch(_ jets: Range<Int>) -> JetBatch {
        let counts = jets.map { jet in
            if let constituents { return constituents }
            var random = sequence(jet)
            let z = Double(random.normal())
            return min(maxConstituents, max(1, Int((38 * exp(z * (z < 0 ? 0.454 : 0.345))).rounded())))
        }
        let offsets = Offsets(counts: counts)
        let values = Tensor(shape: [offsets.tokens, features])
        let elements = values.buffer
        var identities = [Int32](repeating: 0, count: offsets.tokens)
        var momenta = [SIMD3<Float>](repeating: .zero, count: offsets.tokens)
        identities.withUnsafeMutableBufferPointer { identities in
            momenta.withUnsafeMutableBufferPointer { momenta in
                nonisolated(unsafe) let (identities, momenta) = (identities, momenta)
                parallel(jets.count) { positions in
                    for position in positions {
                        var random = sequence(jets.lowerBound + position)
                        for token in offsets[position] {
                            random.fillNormal(.init(rebasing: elements[token * features..<(token + 1) * features]))
                            identities[token] = Int32(random.below(self.identities))
                            momenta[token] = SIMD3(exp(random.normal()), random.normal() / 5, random.normal() / 5)
                        }
                    }
                }
            }
        }
        // Vertices and origins: a few numbers, each several times in a jet.
        let labels = (0..<offsets.tokens).map { Int32($0 % 4) }
        let numbers = jets.map { jet in
            var random = sequence(jet)
            return exp(random.normal())
        }
        return JetBatch(
            jets: Array(jets), epoch: 0, offsets: offsets, values: values, identities: identities,
            labels: jets.map { Int32($0 % (classes?.count ?? 1)) },
            constituentLabels: Array(repeating: labels, count: constituentLabels),
            quantities: Array(repeating: numbers, count: quantities), momenta: momenta)
    }

    /// Points from the distribution of the constituents, `[count, features]`.
    func centroids(_ count: Int) -> Tensor {
        .normal(
            columns: features,
            from: (0..<count).map { RandomSequence(RandomKey(seed: 1, stream: .clustering, jet: $0)) })
    }

    private func sequence(_ jet: Int) -> RandomSequence {
        RandomSequence(RandomKey(seed: 0, stream: .sampling, jet: jet))
    }
}
