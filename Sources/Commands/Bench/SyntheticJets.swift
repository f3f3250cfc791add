import Foundation
import Jets
import Tensors

/// Jets of random features whose numbers of constituents have JetClass' quantiles: 5 % 18, median 38, 95 % 67.
package struct SyntheticJets {
    package let features: Int
    package let maximum: Int
    /// Number of datasets with one integer for each constituent.
    package var constituentLabels = 0

    /// The jets of some global indices.
    package func batch(_ jets: Range<Int>) -> JetBatch {
        let counts = jets.map { jet in
            var random = sequence(jet)
            let z = Double(random.normal())
            return min(maximum, max(1, Int((38 * exp(z * (z < 0 ? 0.454 : 0.345))).rounded())))
        }
        let offsets = Offsets(counts: counts)
        let values = Tensor(shape: [offsets.tokens, features])
        var identities: [Int32] = []
        var momenta: [SIMD3<Float>] = []  // for strategies of masking that look at them
        identities.reserveCapacity(offsets.tokens)
        momenta.reserveCapacity(offsets.tokens)
        var labels = [[Int32]](repeating: [], count: constituentLabels)
        for (position, jet) in jets.enumerated() {
            var random = sequence(jet)
            for token in offsets[position] {
                random.fillNormal(values.rows(token..<token + 1).buffer)
                identities.append(Int32(random.below(JetFeatures.identityNames.count)))
                momenta.append(SIMD3(exp(random.normal()), random.normal() / 5, random.normal() / 5))
                for index in labels.indices { labels[index].append(Int32(random.below(4))) }
            }
        }
        return JetBatch(
            jets: Array(jets), epoch: 0, offsets: offsets, values: values, identities: identities,
            labels: Array(repeating: 0, count: jets.count), constituentLabels: labels, momenta: momenta)
    }

    /// Points from the distribution of the constituents.
    package func centroids(_ count: Int) -> Tensor {
        .normal(
            columns: features,
            from: (0..<count).map { RandomSequence(RandomKey(seed: 1, stream: .clustering, jet: $0)) })
    }

    private func sequence(_ jet: Int) -> RandomSequence {
        RandomSequence(RandomKey(seed: 0, stream: .sampling, jet: jet))
    }
}
