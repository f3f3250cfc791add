import Tensors

/// Chooses which constituents of a jet are hidden from the model.
public protocol Masking: Sendable {
    /// Whether each constituent of a batch is dropped (one value a token).
    ///
    /// Depends on the seed, the stream, the batch's epoch and the global indices of its jets alone, so that a
    /// jet is masked alike on any rank and in any company.
    func dropped(in batch: JetBatch, seed: UInt64, stream: RandomStream) -> [Bool]
}

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
        [Bool](unsafeUninitializedCapacity: batch.tokenCount) { flags, initialized in
            for (position, jet) in batch.jets.enumerated() {
                let tokens = batch.offsets[position]
                let random = RandomSequence(
                    RandomKey(seed: seed, stream: stream, epoch: batch.epoch, jet: jet))
                mark(UnsafeMutableBufferPointer(rebasing: flags[tokens]), random: random)
            }
            initialized = batch.tokenCount
        }
    }

    /// Whether each of the `count` constituents of one jet is dropped.
    public func dropped(jet: Int, count: Int, epoch: Int, seed: UInt64, stream: RandomStream = .masking)
        -> [Bool]
    {
        let random = RandomSequence(RandomKey(seed: seed, stream: stream, epoch: epoch, jet: jet))
        return [Bool](unsafeUninitializedCapacity: count) { flags, initialized in
            mark(UnsafeMutableBufferPointer(rebasing: flags[..<count]), random: random)
            initialized = count
        }
    }

    /// Selection sampling (Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S): a constituent is
    /// dropped with the probability that leaves the right number for the rest.
    private func mark(_ flags: UnsafeMutableBufferPointer<Bool>, random: RandomSequence) {
        var random = random
        var wanted = droppedCount(of: flags.count)
        for index in 0..<flags.count {
            let isDropped = wanted > 0 && random.below(flags.count - index) < wanted
            flags.initializeElement(at: index, to: isDropped)
            if isDropped { wanted -= 1 }
        }
    }
}
