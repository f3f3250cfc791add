import Jets
import MPI
import Tensors

/// Random latent vectors of a global batch to which unused codes are reset: those of the constituents with the lowest
/// random words, so that they do not depend on the number of ranks.
struct RevivalCandidates {
    private var words: [UInt64] = []
    private var latents: [[Float]] = []

    /// Adds the latent vectors of some jets, `[tokens, dimension]`, and keeps the `count` with the lowest words.
    mutating func add(_ values: Tensor, of batch: JetBatch, keeping count: Int, seed: UInt64) {
        guard count > 0 else { return }
        var found: [(word: UInt64, token: Int)] = []
        for (position, jet) in batch.jets.enumerated() {
            for (constituent, token) in batch.offsets[position].enumerated() {
                var random = RandomSequence(
                    RandomKey(
                        seed: seed, stream: .codeRevival, epoch: batch.epoch, jet: jet, constituent: constituent))
                found.append((random.next(), token))
            }
        }
        found.sort { $0.word < $1.word }
        for (word, token) in found.prefix(count) {
            words.append(word)
            latents.append(values.rows(token..<token + 1).array)
        }
        keepLowest(count)
    }

    private mutating func keepLowest(_ count: Int) {
        let order = words.indices.sorted { words[$0] < words[$1] }.prefix(count)
        (words, latents) = (order.map { words[$0] }, order.map { latents[$0] })
    }

    /// Up to `count` candidates with the lowest words of all ranks, `[candidates, dimension]`; collective.
    func lowest(_ count: Int, dimension: Int, on communicator: Communicator) throws -> Tensor {
        try communicator.lowestRows(keys: words, width: dimension, count: count, distinct: false) { latents[$0] }
    }
}
