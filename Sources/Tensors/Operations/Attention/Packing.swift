/// Packing of the jets of a batch: everything about the arrangement of tokens that a stack of blocks passes on to its
/// self-attention.
package struct Packing {
    /// Offsets of the jets.
    package let offsets: Offsets
    /// True if a token attends only to itself and to the tokens in front of it in its jet, as in generative
    /// pre-training (Radford et al., 2018).
    package let isCausal: Bool

    package init(_ offsets: Offsets, isCausal: Bool = false) {
        self.offsets = offsets
        self.isCausal = isCausal
    }

    /// The packing of the same jets with `count` more tokens in front of each.
    package func prepending(_ count: Int) -> Packing {
        Packing(Offsets(offsets.values.enumerated().map { $1 + Int32(count * $0) }), isCausal: isCausal)
    }
}
