import System
import Tensors

/// Drops a random constituent and all others within a radius of it in Δη and Δφ.
package struct RadiusMasking: Masking, Equatable {
    /// The largest distance √(Δη² + Δφ²) from the chosen constituent.
    package let radius: Double

    package init(radius: Double) {
        invariant(radius >= 0, "a radius of \(radius)")
        self.radius = radius
    }

    package var needsMomenta: Bool { true }

    package func dropped(in batch: JetBatch, seed: UInt64, stream: RandomStream = .masking) -> [Bool] {
        let momenta = batch.requiredMomenta
        let limit = Float(radius * radius)
        return dropped(in: batch, seed: seed, stream: stream) { tokens, flags, random in
            guard !tokens.isEmpty else { return }
            let centre = momenta[tokens.lowerBound + random.below(tokens.count)]
            for (index, token) in tokens.enumerated() {
                flags[index] = momenta[token].squaredDistance(to: centre) <= limit
            }
        }
    }
}
