import System
import Tensors

/// Drops constituents in random order, except those with which the dropped ones would carry more than a fraction of the
/// pT of the jet, the scalar sum over its constituents.
package struct MomentumMasking: Masking, Equatable {
    /// The fraction of the pT to drop, in 0 … 1.
    package let fraction: Double

    package init(fraction: Double) {
        invariant(fraction >= 0 && fraction <= 1, "a dropped fraction of \(fraction)")
        self.fraction = fraction
    }

    package var needsMomenta: Bool { true }

    package func dropped(in batch: JetBatch, seed: UInt64, stream: RandomStream = .masking) -> [Bool] {
        let momenta = batch.requiredMomenta
        return dropped(in: batch, seed: seed, stream: stream) { tokens, flags, random in
            func pT(_ index: Int) -> Double { Double(momenta[tokens.lowerBound + index].x) }
            let limit = fraction < 1 ? fraction * (0..<tokens.count).reduce(0) { $0 + pT($1) } : .infinity
            var order = Array(0..<tokens.count)
            var sum = 0.0
            for place in order.indices {
                order.swapAt(place, place + random.below(order.count - place))
                let index = order[place]
                guard sum + pT(index) <= limit else { continue }
                flags[index] = true
                sum += pT(index)
            }
        }
    }
}
