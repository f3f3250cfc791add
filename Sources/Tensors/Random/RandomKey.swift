import System

/// The key of a random sequence: the same key gives the same numbers on any rank, in any order, at any time.
///
/// The seed is the key of Philox. The counter is, word by word: `[constituent 16 | block 16]`, `[jet, low 32]`,
/// `[epoch 24 | jet, high 8]`, `[stream 32]` (bits from high to low).
package struct RandomKey: Hashable, Sendable {
    @usableFromInline let key: SIMD2<UInt32>
    @usableFromInline let counter: SIMD4<UInt32>

    /// The key of a constituent (below 2^16) of a jet (global index, below 2^40) in an epoch (below 2^24).
    ///
    /// Streams without jets or constituents may give these numbers another meaning.
    @inlinable
    package init(seed: UInt64, stream: RandomStream, epoch: Int = 0, jet: Int = 0, constituent: Int = 0) {
        invariant(epoch >= 0 && epoch < 1 << 24, "epoch \(epoch) is outside 0..<2^24")
        invariant(jet >= 0 && jet < 1 << 40, "jet \(jet) is outside 0..<2^40")
        invariant(
            constituent >= 0 && constituent < 1 << 16, "constituent \(constituent) is outside 0..<2^16")
        key = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
        counter = SIMD4(
            UInt32(constituent) << 16,
            UInt32(truncatingIfNeeded: jet),
            UInt32(epoch) << 8 | UInt32(jet >> 32),
            stream.rawValue)
    }

    /// The four random words of block `index` of the sequence.
    ///
    /// A sequence has 2^16 blocks. That of constituent 0 continues through the blocks of the others, 2^32 in all, for
    /// streams without constituents.
    @inlinable
    package func block(_ index: Int) -> SIMD4<UInt32> {
        invariant(
            index >= 0 && index < (counter.x == 0 ? 1 << 32 : 1 << 16),
            "the random sequence is exhausted at block \(index)")
        return Philox4x32.block(
            counter: SIMD4(counter.x | UInt32(index), counter.y, counter.z, counter.w), key: key)
    }
}
