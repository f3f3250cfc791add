internal import CKernels
import System

/// Dropout of the attention weights, P ← m ⊙ P / (1 − p), as in PyTorch's `scaled_dot_product_attention`.
///
/// The mask is a function of seed, epoch, jet, place, head and the numbers of query and key in the jet: it is the same
/// on any number of ranks.
package struct AttentionDropout {
    private let rate: Float
    private let place: Int
    private let keys: TokenKeys

    /// - Parameters:
    ///   - rate: the probability p of zero, in `0 ..< 1`.
    ///   - place: the number of this dropout in its network, below 2^16.
    ///   - keys: one for each query.
    package init(rate: Float, place: Int, keys: TokenKeys) {
        invariant(place >= 0 && place < 1 << 16, "a dropout of attention weights at place \(place)")
        (self.rate, self.place, self.keys) = (rate, place, keys)
    }

    /// The dropout of one head of the jet whose queries start with `query`.
    func kernelInputs(head: Int, of heads: Int, query: Int, queries: Int) -> ck_weight_dropout {
        let (dropped, scale) = dropoutConstants(rate: rate)
        let (seed, counter) = keys[query]
        let blocks = (1 << 16) / heads / 16 * 16
        invariant(queries <= 8 * blocks, "dropout of the attention weights of \(queries) queries in \(heads) heads")
        return ck_weight_dropout(
            counter: (0, counter.y, counter.z, RandomStream.attentionDropout.rawValue | UInt32(place) << 16),
            key: (seed.x, seed.y), first_block: UInt32(head * blocks), dropped: dropped, scale: scale)
    }
}
