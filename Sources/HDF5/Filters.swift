import System

/// What happens to the chunks of a dataset on their way to the file.
package struct Filters: Equatable, Sendable {
    /// The level of compression, 1 (fast) to 9 (small), or nil for none; it undoes itself on reading.
    package var deflate: Int?
    /// Whether bytes of equal significance are put together first, which makes numbers compress better.
    package var shuffle: Bool
    /// Whether every chunk carries a Fletcher-32 checksum, verified on reading.
    package var fletcher32: Bool

    package init(deflate: Int? = nil, shuffle: Bool = false, fletcher32: Bool = false) {
        invariant(deflate.map { 0...9 ~= $0 } ?? true, "a deflate level is 0 to 9, not \(deflate!)")
        self.deflate = deflate
        self.shuffle = shuffle
        self.fletcher32 = fletcher32
    }

    /// Chunks are stored as they are.
    package static let none = Filters()

    /// Compression by zlib.
    package static func deflate(_ level: Int, shuffle: Bool = true) -> Filters {
        Filters(deflate: level, shuffle: shuffle)
    }
}

/// How the ranks that share a file move data; without meaning for a file that one process opened alone.
package enum Transfer: Sendable {
    /// Each rank for itself, at any time.
    case independent
    /// All ranks together, each with its part, which may be empty.
    case collective
}
