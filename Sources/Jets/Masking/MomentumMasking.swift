import System
import Tensors

/// Drops constituents in random order until the dropped ones carry at least a fraction of the pT of the jet.
///
/// The pT of a jet is the scalar sum over its constituents. At least one constituent is kept, unless the fraction is 1.
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
            let maximum = fraction < 1 ? tokens.count - 1 : tokens.count
            let target = fraction * momenta[tokens].reduce(0) { $0 + Double($1.x) }
            var order = Array(0..<tokens.count)
            var (sum, count) = (0.0, 0)
            while count < maximum, sum < target || fraction == 1 {
                order.swapAt(count, count + random.below(order.count - count))
                flags[order[count]] = true
                sum += Double(momenta[tokens.lowerBound + order[count]].x)
                count += 1
            }
        }
    }
}
