import System

/// The filters that are applied to the chunks of a dataset when they are written, and reversed when they are read.
package struct Filters: Equatable, Sendable {
    /// The level of compression, from 1 (fast) to 9 (small); nil for none.
    package var deflate: Int?
    /// True to group bytes of equal significance before the compression, which improves it for numbers.
    package var shuffle: Bool
    /// True to store a Fletcher-32 checksum with every chunk, verified when it is read.
    package var fletcher32: Bool

    package init(deflate: Int? = nil, shuffle: Bool = false, fletcher32: Bool = false) {
        invariant(deflate.map { 0...9 ~= $0 } ?? true, "the deflate level must be 0 to 9, found \(deflate!)")
        self.deflate = deflate
        self.shuffle = shuffle
        self.fletcher32 = fletcher32
    }

    /// No filters.
    package static let none = Filters()

    /// Compression with zlib.
    package static func deflate(_ level: Int, shuffle: Bool = true) -> Filters {
        Filters(deflate: level, shuffle: shuffle)
    }
}

/// The coordination of the ranks of a shared file in a transfer; ignored for a file of one process.
package enum Transfer: Sendable {
    /// Each rank on its own, at any time.
    case independent
    /// All ranks together, each with a part of its own, which may be empty.
    case collective
}
