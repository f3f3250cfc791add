import MPI
import System
import Tensors

/// A random sample of constituents for fits, distributed over the ranks, in bounded memory.
///
/// Every constituent has a random word; level k keeps the constituents whose word has at least k leading zero bits. A
/// rank raises its level when it holds too many; at the end, all ranks use the lowest level that suffices for the whole
/// sample. So the sample does not depend on the number of ranks.
struct ConstituentSample {
    /// The number of constituents for each number of leading zero bits (0 … 32), kept or not.
    private var counts = [Int](repeating: 0, count: 33)
    private let capacity: Int
    private let seed: UInt64
    /// The level of this rank while it reads; that of all ranks afterwards.
    private var level = 0
    private var words: [UInt32] = []
    private var neutral: [Bool] = []
    /// The features as stored, `[constituents, features.storedCount]`.
    private var rows: [Float] = []
    /// All constituents that were read, kept or not; of this rank while it reads, of all ranks afterwards.
    private(set) var summary: FeatureSummary
    private let features: JetFeatures

    private init(_ features: JetFeatures, capacity: Int, seed: UInt64) {
        self.features = features
        summary = FeatureSummary(features)
        self.capacity = capacity
        self.seed = seed
    }

    /// Reads a sample of a dataset, each rank its part; collective.
    ///
    /// Reads whole blocks in a random order that depends only on the seed until they contain `jets` jets. If they
    /// contain more than `valuesPerFeature` constituents, a random half is kept, repeatedly if necessary. Throws
    /// `AgreedError` on every rank if a rank cannot read.
    static func read(
        _ dataset: JetDataset, jets: Int, valuesPerFeature: Int, seed: UInt64, on communicator: Communicator
    ) throws -> ConstituentSample {
        invariant(jets > 0 && valuesPerFeature > 0, "a fit to \(jets) jets, \(valuesPerFeature) values")
        var sample = try communicator.agree {
            var sample = ConstituentSample(dataset.features, capacity: valuesPerFeature, seed: seed)
            let numbering = dataset.numbering
            let indices = chosenBlocks(of: numbering, jets: jets, seed: seed)
            for number in stride(from: communicator.rank, to: indices.count, by: communicator.size) {
                let index = indices[number]
                sample.add(try dataset.read(block: numbering.block(at: index)), jets: numbering.jets(at: index))
            }
            return sample
        }
        let counts = try communicator.allReduce(sample.counts)
        sample.summary = try sample.summary.combined(on: communicator)
        sample.thin(to: level(counts: counts, capacity: valuesPerFeature))
        return sample
    }

    /// The summary of the constituents of at least `jets` jets, if there are as many; collective. Throws as `read`.
    static func summary(
        of dataset: JetDataset, jets: Int, seed: UInt64, on communicator: Communicator
    ) throws -> FeatureSummary {
        try read(dataset, jets: jets, valuesPerFeature: 1, seed: seed, on: communicator).summary
    }

    /// The indices of the blocks to read, in random order, until they contain `jets` jets.
    private static func chosenBlocks(of numbering: JetNumbering, jets: Int, seed: UInt64) -> [Int] {
        var sequence = RandomSequence(RandomKey(seed: seed, stream: .fit))
        let order = Permutation(count: numbering.blockCount, key: sequence.next())
        var (blocks, held) = ([Int](), 0)
        while held < jets, blocks.count < numbering.blockCount {
            blocks.append(order[blocks.count])
            held += numbering.jetCount(at: blocks[blocks.count - 1])
        }
        return blocks
    }

    /// The values of a feature in the whole sample in rising order, on rank 0, nil elsewhere; collective. Values of
    /// impact parameters are of charged constituents only. Throws `AgreedError` if there are none.
    func sortedValues(
        of feature: Int, in dataset: JetDataset, on communicator: Communicator
    ) throws -> [Float]? {
        let parts = try communicator.gather(values(of: feature))
        return try communicator.onRoot {
            var all = Array(parts!.joined())
            guard summary.constituents > 0 else {
                throw JetError(
                    "\(dataset.paths[0]): the preprocessing cannot be fitted, because no jet has constituents")
            }
            guard !all.isEmpty else {
                throw JetError(
                    "\(dataset.paths[0]): feature '\(features.storedNames[feature])' cannot be fitted, "
                        + "because no constituent is charged; leave it out of the list")
            }
            all.sort()
            return all
        }
    }

    /// The lowest level that keeps at most `capacity` constituents.
    private static func level(counts: [Int], capacity: Int) -> Int {
        var level = 32
        var remaining = counts[32]
        while level > 0, remaining + counts[level - 1] <= capacity {
            level -= 1
            remaining += counts[level]
        }
        return level
    }

    private mutating func add(_ block: JetBlock, jets: BlockJets) {
        summary.add(block)
        for jet in 0..<block.count {
            for (constituent, token) in block.offsets[jet].enumerated() {
                let word = RandomKey(
                    seed: seed, stream: .fit, epoch: 1, jet: jets[jet], constituent: constituent
                ).block(0).x
                let zeros = word.leadingZeroBitCount
                counts[zeros] += 1
                guard zeros >= level else { continue }
                words.append(word)
                neutral.append(features.identities.isNeutral(block.identities[token]))
                rows.append(contentsOf: block.values(of: token..<token + 1))
            }
        }
        let needed = Self.level(counts: counts, capacity: capacity)
        if needed > level { thin(to: needed) }
    }

    private func values(of feature: Int) -> [Float] {
        let width = features.storedCount
        let chargedOnly = JetFeatures.impactParameters.contains(feature)
        var values: [Float] = []
        for index in words.indices where !(chargedOnly && neutral[index]) {
            // Adding zero turns −0 into +0. The two compare equal, so their sorted order would be arbitrary.
            values.append(rows[index * width + feature] + 0)
        }
        return values
    }

    private mutating func thin(to level: Int) {
        let width = features.storedCount
        var kept = 0
        for (index, word) in words.enumerated() where word.leadingZeroBitCount >= level {
            words[kept] = word
            neutral[kept] = neutral[index]
            for feature in 0..<width { rows[kept * width + feature] = rows[index * width + feature] }
            kept += 1
        }
        words.removeSubrange(kept...)
        neutral.removeSubrange(kept...)
        rows.removeSubrange((kept * width)...)
        self.level = level
    }
}
