import System

/// The random keys of packed tokens, from the jet and the position in the jet, for the dropout of networks.
///
/// The blocks of a key are divided among the places of dropout in a network: place p has the blocks
/// 512 p ..< 512 (p + 1), enough for 4096 channels of sixteen bits.
package struct TokenKeys: Sendable {
    /// The largest number of channels of one place.
    package static let channels = 4096
    private static let blocks = 512

    private let seed: SIMD2<UInt32>
    private let counters: [SIMD4<UInt32>]

    /// The keys of all tokens of some jets.
    ///
    /// - Parameters:
    ///   - jets: the global index of each jet.
    ///   - offsets: the tokens of each jet; a token is numbered by its position in the jet.
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

    /// The seed, and the counter of a token.
    subscript(token: Int) -> (seed: SIMD2<UInt32>, counter: SIMD4<UInt32>) { (seed, counters[token]) }

    func firstBlock(ofPlace place: Int) -> UInt32 {
        invariant(place >= 0 && place < 65536 / Self.blocks, "a dropout at place \(place)")
        return UInt32(place * Self.blocks)
    }

    /// Calls `body` with the counters, four words for each token, and the two words of the seed.
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
