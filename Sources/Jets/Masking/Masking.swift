import System
import Tensors

/// Chooses which constituents of a jet are hidden from the model.
package protocol Masking: Sendable {
    /// Whether the batch has to carry momenta.
    var needsMomenta: Bool { get }

    /// Whether each constituent of a batch is dropped (one value a token).
    ///
    /// Depends on the seed, the stream, the batch's epoch and the global indices of its jets alone, so that a
    /// jet is masked alike on any rank and in any company.
    func dropped(in batch: JetBatch, seed: UInt64, stream: RandomStream) -> [Bool]
}

extension Masking {
    package var needsMomenta: Bool { false }

    /// Calls `mark(tokens, flags, random)` for every jet: where it stands in the batch, the flags of its
    /// constituents, all false, and the random numbers of the jet.
    func dropped(
        in batch: JetBatch, seed: UInt64, stream: RandomStream,
        mark: (Range<Int>, UnsafeMutableBufferPointer<Bool>, inout RandomSequence) -> Void
    ) -> [Bool] {
        [Bool](unsafeUninitializedCapacity: batch.tokenCount) { flags, initialized in
            flags.initialize(repeating: false)
            for (position, jet) in batch.jets.enumerated() {
                let tokens = batch.offsets[position]
                var random = RandomSequence(
                    RandomKey(seed: seed, stream: stream, epoch: batch.epoch, jet: jet))
                mark(tokens, UnsafeMutableBufferPointer(rebasing: flags[tokens]), &random)
            }
            initialized = batch.tokenCount
        }
    }
}

extension UnsafeMutableBufferPointer<Bool> {
    /// Sets `count` of the flags, every choice as likely as any other.
    ///
    /// Selection sampling (Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S): a flag is set with
    /// the probability that leaves the right number for the rest.
    func mark(_ count: Int, random: inout RandomSequence) {
        var wanted = count
        for index in indices where wanted > 0 && random.below(self.count - index) < wanted {
            self[index] = true
            wanted -= 1
        }
    }
}

extension JetBatch {
    /// The momenta, which a strategy that needs them has asked for.
    var requiredMomenta: [SIMD3<Float>] {
        guard let momenta else { unreachable("the strategy of masking needs a batch with momenta") }
        return momenta
    }
}

extension SIMD3<Float> {
    /// The square of the distance in the plane of Δη and Δφ.
    func squaredDistance(to other: SIMD3<Float>) -> Float {
        let (eta, phi) = (y - other.y, z - other.z)
        return eta * eta + phi * phi
    }
}
