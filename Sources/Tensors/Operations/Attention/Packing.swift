/// Packing of the jets of a batch: everything about the arrangement of tokens that a stack of blocks passes on to its
/// attention. A bias of pairs, for example, would be another property here and an input of `Tape.selfAttention`.
package struct Packing {
    /// Offsets of the jets.
    package let offsets: Offsets

    package init(_ offsets: Offsets) {
        self.offsets = offsets
    }

    /// The packing of the same jets with `count` more tokens in front of each.
    package func prepending(_ count: Int) -> Packing {
        Packing(Offsets(offsets.values.enumerated().map { $1 + Int32(count * $0) }))
    }
}
