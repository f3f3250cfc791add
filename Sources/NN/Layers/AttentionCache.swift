import System
import Tensors

/// Keys and values of the tokens that a causal self-attention has seen, so that one more token of each jet costs one
/// row of products. It keeps nothing for a gradient.
package final class AttentionCache {
    /// `[tokens, 2 · width]`, the keys first.
    private(set) var keysAndValues: Tensor
    /// The tokens of each jet.
    private(set) var offsets: Offsets
    private let width: Int

    /// A cache of jets without tokens.
    package init(jets: Int, width: Int) {
        keysAndValues = Tensor(shape: [0, 2 * width])
        offsets = Offsets(counts: [Int](repeating: 0, count: jets))
        self.width = width
    }

    /// Appends one token to each jet and returns its query, `[jets, width]`.
    ///
    /// - Parameter qkv: queries, keys and values, `[jets, 3 · width]`.
    func append(_ qkv: Tensor) -> Tensor {
        invariant(qkv.shape == [offsets.jets, 3 * width], "\(qkv.shape) for one token of \(offsets.jets) jets")
        let query = Tensor(shape: [qkv.rows, width])
        for jet in 0..<qkv.rows {
            (query.pointer + jet * width).update(from: qkv.pointer + jet * 3 * width, count: width)
        }
        rearrange(Array(0..<offsets.jets), appending: qkv)
        return query
    }

    /// Keeps some of the jets, in the order given.
    package func keep(_ jets: [Int]) { rearrange(jets, appending: nil) }

    private func rearrange(_ jets: [Int], appending qkv: Tensor?) {
        let more = qkv == nil ? 0 : 1
        let (row, old) = (2 * width, offsets)
        offsets = Offsets(counts: jets.map { old[$0].count + more })
        let result = Tensor(shape: [offsets.tokens, row])
        for (position, jet) in jets.enumerated() {
            let (from, to) = (old[jet], result.pointer + offsets[position].lowerBound * row)
            to.update(from: keysAndValues.pointer + from.lowerBound * row, count: from.count * row)
            if let qkv {
                (to + from.count * row).update(from: qkv.pointer + (jet * 3 + 1) * width, count: row)
            }
        }
        keysAndValues = result
    }
}
