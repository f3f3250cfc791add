import System
import Tensors

/// Drops ⌊fraction · n⌋ of the n constituents of a jet; all choices are equally likely.
package struct RandomMasking: Masking, Equatable {
    /// The fraction of the constituents to drop, in 0 … 1.
    package let fraction: Double

    package init(fraction: Double) {
        invariant(fraction >= 0 && fraction <= 1, "a dropped fraction of \(fraction)")
        self.fraction = fraction
    }

    /// The number of constituents to drop of `count`.
    func droppedCount(of count: Int) -> Int {
        Int((fraction * Double(count)).rounded(.down))
    }

    package func dropped(in batch: JetBatch, seed: UInt64, stream: RandomStream = .masking) -> [Bool] {
        dropped(in: batch, seed: seed, stream: stream) { tokens, flags, random in
            flags.mark(droppedCount(of: tokens.count), random: &random)
        }
    }
}
