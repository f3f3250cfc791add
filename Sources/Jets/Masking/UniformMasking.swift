import System
import Tensors

/// Drops f · n of the n constituents of a jet, rounded to the nearest integer, where f is drawn for each jet uniformly
/// from a range; all choices are equally likely. With an upper bound of 1, all constituents of some jets are dropped.
package struct UniformMasking: Masking, Equatable {
    /// The range of the fraction f, within 0 … 1.
    package let range: ClosedRange<Double>

    package init(range: ClosedRange<Double>) {
        invariant(range.lowerBound >= 0 && range.upperBound <= 1, "dropped fractions of \(range)")
        self.range = range
    }

    package func dropped(in batch: JetBatch, seed: UInt64, stream: RandomStream = .masking) -> [Bool] {
        dropped(in: batch, seed: seed, stream: stream) { tokens, flags, random in
            let width = range.upperBound - range.lowerBound
            let fraction = range.lowerBound + width * random.uniform64()
            flags.mark(Int((fraction * Double(tokens.count)).rounded()), random: &random)
        }
    }
}
