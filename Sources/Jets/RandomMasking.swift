import Tensors

/// Drops ⌊fraction · n⌋ of the n constituents of a jet, every choice as likely as any other.
public struct RandomMasking: Masking, Equatable {
    /// The fraction of the constituents that is dropped, in 0 … 1.
    public let fraction: Double

    /// Drops this fraction (0 … 1).
    public init(fraction: Double) {
        precondition(fraction >= 0 && fraction <= 1, "a dropped fraction of \(fraction)")
        self.fraction = fraction
    }

    /// The number of constituents dropped of `count`.
    public func droppedCount(of count: Int) -> Int {
        Int((fraction * Double(count)).rounded(.down))
    }

    public func dropped(in batch: JetBatch, seed: UInt64, stream: RandomStream = .masking) -> [Bool] {
        dropped(in: batch, seed: seed, stream: stream) { tokens, flags, random in
            flags.mark(droppedCount(of: tokens.count), random: &random)
        }
    }
}
