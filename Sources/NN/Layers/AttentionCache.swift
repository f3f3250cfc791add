import System
import Tensors

/// Keys and values of the tokens that a causal self-attention has seen, so that one more token of each jet costs one
/// row of products. It keeps nothing for a gradient.
///
/// A jet has room for `capacity` tokens, which doubles when it is full: n tokens are copied O(n) times in total.
package final class AttentionCache {
    /// Room for jets and their tokens, `[places · capacity, 2 · width]`, the keys first.
    package private(set) var keysAndValues: Tensor
    /// Number of tokens of every jet.
    private var count = 0
    /// Number of tokens that a jet has room for.
    private var capacity = 16
    /// The place of each jet. Places of jets that are not kept stay unused until the capacity grows.
    private var places: [Int]
    private let width: Int

    /// A cache of jets without tokens.
    package init(jets: Int, width: Int) {
        keysAndValues = Tensor(shape: [jets * capacity, 2 * width])
        places = Array(0..<jets)
        self.width = width
    }

    /// The rows of each jet in `keysAndValues`.
    package var rows: [Range<Int>] { places.map { $0 * capacity..<$0 * capacity + count } }

    /// Appends one token to each jet and returns its query, `[jets, width]`.
    ///
    /// - Parameter qkv: queries, keys and values, `[jets, 3 · width]`.
    package func append(_ qkv: Tensor) -> Tensor {
        invariant(qkv.shape == [places.count, 3 * width], "\(qkv.shape) for one token of \(places.count) jets")
        if count == capacity { grow() }
        let query = Tensor(shape: [qkv.rows, width])
        for (jet, place) in places.enumerated() {
            let from = qkv.pointer + jet * 3 * width
            (query.pointer + jet * width).update(from: from, count: width)
            (keysAndValues.pointer + (place * capacity + count) * 2 * width).update(
                from: from + width, count: 2 * width)
        }
        count += 1
        return query
    }

    /// Keeps some of the jets, in the order given.
    package func keep(_ jets: [Int]) {
        invariant(Set(jets).count == jets.count, "a jet is kept twice")
        places = jets.map { places[$0] }
    }

    /// Doubles the capacity, and gives up the places of jets that were not kept.
    private func grow() {
        let row = 2 * width
        let grown = Tensor(shape: [places.count * 2 * capacity, row])
        for (jet, rows) in rows.enumerated() {
            (grown.pointer + jet * 2 * capacity * row).update(
                from: keysAndValues.pointer + rows.lowerBound * row, count: rows.count * row)
        }
        (keysAndValues, places, capacity) = (grown, Array(places.indices), 2 * capacity)
    }
}
