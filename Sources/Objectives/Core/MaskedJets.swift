import Jets
import Models
import System
import Tensors

/// Jets of a batch divided into the constituents that the network sees and those to recover.
package struct MaskedJets {
    /// The jets before masking.
    package let batch: JetBatch
    /// Features and identities of the same constituents, whole and divided: the input of a network.
    package let constituents: MaskedConstituents
    /// Training or validation, which differ in their random streams.
    package let phase: Phase
    /// Seed of the random numbers.
    package let seed: UInt64

    /// - Parameter mask: one flag for each constituent of the batch, true if it is dropped.
    package init(_ batch: JetBatch, mask: [Bool], phase: Phase, seed: UInt64) {
        self.batch = batch
        constituents = MaskedConstituents(Constituents(batch), mask: mask)
        self.phase = phase
        self.seed = seed
    }

    /// One flag for each constituent of the batch, true if it is dropped.
    package var mask: [Bool] { constituents.mask }
    /// The constituents that the network sees.
    package var survivors: Constituents { constituents.survivors }
    /// The constituents to recover, in the order of the jets.
    package var dropped: Constituents { constituents.dropped }

    /// Random sequences of the dropped constituents, keyed by (seed, stream, epoch, global jet index, constituent).
    ///
    /// - Parameter block: the first block of each sequence; tasks that draw from the same stream use different blocks.
    func randomSequences(_ stream: RandomStream, fromBlock block: Int) -> [RandomSequence] {
        var sequences: [RandomSequence] = []
        sequences.reserveCapacity(dropped.offsets.tokens)
        for (position, jet) in batch.jets.enumerated() {
            let tokens = batch.offsets[position]
            for token in tokens where mask[token] {
                let key = RandomKey(
                    seed: seed, stream: stream, epoch: batch.epoch, jet: jet, constituent: token - tokens.lowerBound)
                sequences.append(RandomSequence(key, block: block))
            }
        }
        return sequences
    }
}

extension Constituents {
    /// The constituents of a batch, as massless particles whose rapidity is Δη.
    package init(_ batch: JetBatch) {
        let momenta = batch.momenta.map { momenta in
            Tensor(momenta.flatMap { [$0.x, $0.y, $0.z, 0] }, shape: [momenta.count, 4])
        }
        self.init(values: batch.values, identities: batch.identities, offsets: batch.offsets, momenta: momenta)
    }
}
