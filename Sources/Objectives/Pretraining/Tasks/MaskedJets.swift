import Jets
import Models
import System
import Tensors

/// Jets a part of whose constituents is hidden, as a reconstruction task takes them: the constituents, and
/// what names the random numbers of each.
package struct MaskedJets {
    /// The constituents, whole and cut in two.
    package let constituents: MaskedConstituents
    /// The global index of each jet.
    package let jets: [Int]
    /// The epoch, which names the random numbers beside seed and jet.
    package let epoch: Int
    /// The class of each jet; what it means is up to who loaded them.
    package let labels: [Int32]
    /// Whether the model learns or is measured.
    package let phase: Phase
    /// The seed of the run.
    package let seed: UInt64

    package init(
        _ constituents: MaskedConstituents, jets: [Int], epoch: Int, labels: [Int32], phase: Phase,
        seed: UInt64
    ) {
        invariant(
            jets.count == constituents.all.offsets.jets && labels.count == jets.count,
            "one index and label a jet")
        self.constituents = constituents
        self.jets = jets
        self.epoch = epoch
        self.labels = labels
        self.phase = phase
        self.seed = seed
    }

    /// The jets of a batch whose hidden constituents are chosen.
    package init(_ batch: JetBatch, isDropped: [Bool], phase: Phase, seed: UInt64) {
        self.init(
            MaskedConstituents(Constituents(batch), isDropped: isDropped), jets: batch.jets,
            epoch: batch.epoch,
            labels: batch.labels, phase: phase, seed: seed)
    }

    /// The jets before they were cut.
    package var all: Constituents { constituents.all }
    /// What is to be recovered, in the order of the jets.
    package var dropped: Constituents { constituents.dropped }

    /// What the random numbers of a constituent are for; the raw value is where they begin in its sequence.
    enum Purpose: Int {
        case flow = 0
        case flowMatching = 64
        case kmeans = 128
        case vqvae = 160
        case particleID = 192
        case bins = 224
    }

    /// The random numbers of every dropped constituent, named by the jet and the place in it.
    func randomSequences(_ stream: RandomStream, for purpose: Purpose) -> [RandomSequence] {
        var sequences: [RandomSequence] = []
        sequences.reserveCapacity(dropped.offsets.tokens)
        for (position, jet) in jets.enumerated() {
            let tokens = all.offsets[position]
            for token in tokens where constituents.isDropped[token] {
                let key = RandomKey(
                    seed: seed, stream: stream, epoch: epoch, jet: jet, constituent: token - tokens.lowerBound
                )
                sequences.append(RandomSequence(key, block: purpose.rawValue))
            }
        }
        return sequences
    }
}

extension Phase {
    /// The random stream of the times and the noise of flows.
    package var flowStream: RandomStream { isTraining ? .flow : .validationFlow }
}
