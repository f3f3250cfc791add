import System
import Tensors

/// Drops a random constituent and its nearest neighbours in Δη and Δφ, in total ⌊fraction · n⌋ of n constituents.
package struct NearestMasking: Masking, Equatable {
    /// The fraction of the constituents to drop, in 0 … 1.
    package let fraction: Double

    package init(fraction: Double) {
        invariant(fraction >= 0 && fraction <= 1, "a dropped fraction of \(fraction)")
        self.fraction = fraction
    }

    package var needsMomenta: Bool { true }

    package func dropped(in batch: JetBatch, seed: UInt64, stream: RandomStream = .masking) -> [Bool] {
        let momenta = batch.requiredMomenta
        return dropped(in: batch, seed: seed, stream: stream) { tokens, flags, random in
            let count = Int((fraction * Double(tokens.count)).rounded(.down))
            guard count > 0 else { return }
            let centre = random.below(tokens.count)
            // The centre comes first even if others have the same position; among equal distances, the first one.
            let distances = tokens.map { token in
                token == tokens.lowerBound + centre
                    ? -1 : momenta[token].squaredDistance(to: momenta[tokens.lowerBound + centre])
            }
            let order = distances.indices.sorted { (distances[$0], $0) < (distances[$1], $1) }
            for index in order.prefix(count) { flags[index] = true }
        }
    }
}
