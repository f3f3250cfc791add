import System

/// The names of the random numbers of packed tokens: one key for each, made of its jet and its place in the
/// jet.
///
/// Networks draw their dropout from them. Their blocks are cut among the places of a network: place p has the
/// blocks 512 p ..< 512 (p + 1), enough for 4096 channels of sixteen bits.
package struct TokenKeys: Sendable {
    /// The channels that one place can serve.
    static let channels = 4096
    private static let blocks = 512

    private let seed: SIMD2<UInt32>
    private let counters: [SIMD4<UInt32>]

    /// Keys of all tokens of some jets.
    ///
    /// - Parameters:
    ///   - jets: the global index of each jet.
    ///   - offsets: where each jet begins; a token's number is its place behind that.
    package init(
        seed: UInt64, stream: RandomStream = .dropout, epoch: Int, jets: [Int], offsets: Offsets
    ) {
        invariant(jets.count == offsets.jets, "\(jets.count) indices for \(offsets.jets) jets")
        self.seed = RandomKey(seed: seed, stream: stream).key
        var counters: [SIMD4<UInt32>] = []
        counters.reserveCapacity(offsets.tokens)
        for (position, jet) in jets.enumerated() {
            for constituent in 0..<offsets[position].count {
                let key = RandomKey(
                    seed: seed, stream: stream, epoch: epoch, jet: jet, constituent: constituent)
                counters.append(key.counter)
            }
        }
        self.counters = counters
    }

    /// The number of tokens.
    package var count: Int { counters.count }

    func firstBlock(ofPlace place: Int) -> UInt32 {
        invariant(place >= 0 && place < 65536 / Self.blocks, "a dropout at place \(place)")
        return UInt32(place * Self.blocks)
    }

    /// The counters, four words a token, and the two words of the seed.
    func withWords(_ body: (UnsafePointer<UInt32>, UnsafePointer<UInt32>) -> Void) {
        counters.withUnsafeBytes { counters in
            withUnsafeBytes(of: seed) { seed in
                guard let words = counters.baseAddress else { return }
                body(
                    words.assumingMemoryBound(to: UInt32.self),
                    seed.baseAddress!.assumingMemoryBound(to: UInt32.self))
            }
        }
    }
}
