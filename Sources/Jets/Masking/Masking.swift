import System
import Tensors

/// A strategy that chooses the constituents to drop, which are hidden from the model.
///
/// A new strategy is one file with a conforming type and one case of `MaskingStrategy`.
package protocol Masking: Sendable {
    /// True if the strategy needs `JetBatch.momenta`.
    var needsMomenta: Bool { get }

    /// One flag for each token of a batch: true if the constituent is dropped.
    ///
    /// The flags of a jet depend only on the jet, the seed, the stream and the epoch, so a jet is masked alike on any
    /// rank and in any batch.
    func dropped(in batch: JetBatch, seed: UInt64, stream: RandomStream) -> [Bool]
}

extension Masking {
    package var needsMomenta: Bool { false }

    /// Calls `mark(tokens, flags, random)` for every jet, with its tokens in the batch, the flags of its constituents,
    /// initially false, and the random numbers of the jet.
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
    /// Sets `count` of the flags; all choices are equally likely.
    ///
    /// Selection sampling (Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S): each flag is set with the
    /// probability (number still to be set) / (number of flags left).
    func mark(_ count: Int, random: inout RandomSequence) {
        var remaining = count
        for index in indices where remaining > 0 && random.below(self.count - index) < remaining {
            self[index] = true
            remaining -= 1
        }
    }
}

extension JetBatch {
    /// The momenta. Traps in a batch without them.
    var requiredMomenta: [SIMD3<Float>] {
        guard let momenta else { unreachable("the masking strategy needs a batch with momenta") }
        return momenta
    }
}

extension SIMD3<Float> {
    /// The squared distance (Δη)² + (Δφ)² of two momenta (pT, η, φ), with Δφ in −π … π.
    func squaredDistance(to other: SIMD3<Float>) -> Float {
        let (eta, turn) = (y - other.y, z - other.z)
        let phi = turn - 2 * .pi * (turn / (2 * .pi)).rounded()
        return eta * eta + phi * phi
    }
}
