/// Packing of the jets of a batch: everything about the arrangement of tokens that a stack of blocks passes on to its
/// self-attention.
package struct Packing {
    /// Offsets of the jets.
    package let offsets: Offsets
    /// True if a token attends only to itself and to the tokens in front of it in its jet, as in generative
    /// pre-training (Radford et al., 2018).
    package let isCausal: Bool
    /// The number of pairs of a query and a key from which the attention of a jet is computed in tiles, for
    /// measurements; nil for the usual value. Results differ by rounding.
    package let tiledPairs: Int?
    /// The bias of the scores; nil for none.
    package private(set) var bias: Bias?

    package init(_ offsets: Offsets, isCausal: Bool = false, tiledPairs: Int? = nil) {
        self.offsets = offsets
        self.isCausal = isCausal
        self.tiledPairs = tiledPairs
    }

    /// The packing of the same jets with `count` more tokens in front of each, without bias.
    package func prepending(_ count: Int) -> Packing {
        Packing(
            Offsets(offsets.values.enumerated().map { $1 + Int32(count * $0) }), isCausal: isCausal,
            tiledPairs: tiledPairs)
    }

    /// Bytes that the attention of a jet of `tokens` tokens keeps for its gradient, besides its inputs and outputs.
    package static func keptBytes(tokens: Int, heads: Int, hasDropout: Bool) -> Int {
        let isTiled = !hasDropout && tokens * tokens >= AttentionBlocks.tiledPairs
        return 4 * heads * (isTiled ? tokens : ScoreLayout.size(queries: tokens, keys: tokens))
    }

    /// The same packing with a bias.
    func with(_ bias: Bias) -> Packing {
        var result = self
        result.bias = bias
        return result
    }
}
