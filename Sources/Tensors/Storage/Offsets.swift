import System

/// The rows of each jet in a packed tensor: `offsets[j] ..< offsets[j + 1]` are those of jet j.
package struct Offsets: Sendable, Equatable {
    /// `jets + 1` values in ascending order; the first is 0, the last is the number of tokens.
    package let values: [Int32]

    package init(_ values: [Int32]) {
        invariant(values.first == 0, "offsets do not start at 0")
        invariant(zip(values, values.dropFirst()).allSatisfy { $0 <= $1 }, "offsets are not in ascending order")
        self.values = values
    }

    /// Offsets of jets with the given numbers of tokens.
    package init(counts: some Sequence<Int>) {
        var values: [Int32] = [0]
        for count in counts { values.append(values[values.count - 1] + Int32(count)) }
        self.init(values)
    }

    /// The number of jets.
    package var jets: Int { values.count - 1 }
    /// The number of tokens.
    package var tokens: Int { Int(values[values.count - 1]) }

    /// The number of tokens of each jet.
    package var counts: [Int] { (0..<jets).map { self[$0].count } }

    /// The rows of every jet.
    var ranges: [Range<Int>] { (0..<jets).map { self[$0] } }

    /// The rows of a jet.
    package subscript(jet: Int) -> Range<Int> { Int(values[jet])..<Int(values[jet + 1]) }
}
