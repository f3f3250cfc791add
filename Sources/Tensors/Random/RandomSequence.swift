import Foundation
import System

/// The sequence of random numbers of a key.
///
///     var random = RandomSequence(RandomKey(seed: 1, stream: .order, epoch: 3))
///     let jet = random.below(jets)
package struct RandomSequence: RandomNumberGenerator, Sendable {
    @usableFromInline let key: RandomKey
    @usableFromInline var nextBlock: Int
    @usableFromInline var words = SIMD4<UInt32>()
    @usableFromInline var used = 4
    @usableFromInline var spareNormal: Float?

    /// The sequence of `key` from a block on; a block is four words.
    @inlinable
    package init(_ key: RandomKey, block: Int = 0) {
        self.key = key
        nextBlock = block
    }

    /// 32 random bits.
    @inlinable
    package mutating func nextWord() -> UInt32 {
        if used == 4 {
            words = key.block(nextBlock)
            nextBlock += 1
            used = 0
        }
        defer { used += 1 }
        return words[used]
    }

    /// 64 random bits: two words, the low one first.
    @inlinable
    package mutating func next() -> UInt64 {
        let low = UInt64(nextWord())
        return low | UInt64(nextWord()) << 32
    }

    /// Uniform in [0, 1): a multiple of 2^-24, one word.
    @inlinable
    package mutating func uniform() -> Float {
        Float(nextWord() >> 8) * 0x1p-24
    }

    /// Uniform in [0, 1): a multiple of 2^-53, two words.
    @inlinable
    package mutating func uniform64() -> Double {
        Double(next() >> 11) * 0x1p-53
    }

    /// Standard normal by the Box–Muller transform: two words for two numbers, at most 6.7 in magnitude.
    @inlinable
    package mutating func normal() -> Float {
        if let spare = spareNormal {
            spareNormal = nil
            return spare
        }
        let first = nextWord()
        let pair = Self.boxMuller(first, nextWord())
        spareNormal = pair.second
        return pair.first
    }

    /// An unbiased integer in `0..<n` by Lemire's method: two words per attempt, rarely more than one attempt.
    @inlinable
    package mutating func below(_ n: Int) -> Int {
        invariant(n > 0, "the range 0..<\(n) is empty")
        let bound = UInt64(n)
        var product = bound.multipliedFullWidth(by: next())
        if product.low < bound {
            let rejected = (0 &- bound) % bound
            while product.low < rejected { product = bound.multipliedFullWidth(by: next()) }
        }
        return Int(product.high)
    }

    /// Two standard normal numbers from two words, computed in double precision: (r cos 2πu₂, r sin 2πu₂) with
    /// r = √(−2 ln u₁).
    @inlinable
    package static func boxMuller(_ first: UInt32, _ second: UInt32) -> (first: Float, second: Float) {
        // u₁ lies in (0, 1]: the logarithm is finite.
        let radius = (-2 * log((Double(first) + 1) * 0x1p-32)).squareRoot()
        let angle = 2 * Double.pi * (Double(second) * 0x1p-32)
        return (Float(radius * cos(angle)), Float(radius * sin(angle)))
    }
}
