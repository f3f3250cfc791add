import HDF5
import MPI
import System
import Tensors

/// Constituents of the jets that one rank reads, thinned so that memory is bounded.
///
/// Every constituent has a random word; level k keeps those whose first k bits are zero. A rank raises its
/// own level when it holds too many, and all ranks together find the lowest level that is enough for all:
/// which constituents remain does not depend on who read them.
struct ConstituentSample {
    /// The number of constituents by leading zero bits of their word, kept or not.
    private var counts = [Int](repeating: 0, count: 33)
    private let capacity: Int
    private let seed: UInt64
    /// The level of this rank while it reads, of all ranks afterwards.
    private var level = 0
    private var words: [UInt32] = []
    private var neutral: [Bool] = []
    private var rows: [Float] = []  // seven a constituent

    private init(capacity: Int, seed: UInt64) {
        self.capacity = capacity
        self.seed = seed
    }

    /// Reads the sample of a dataset, each rank its part; collective.
    ///
    /// Whole blocks in a random order that depends on the seed alone are read until they hold `jets` jets.
    /// Where that gives more than `valuesPerFeature` constituents, a random half of them is kept, as often as
    /// needed. Throws `AgreedError` on every rank when a rank cannot read.
    static func read(
        _ dataset: JetDataset, jets: Int, valuesPerFeature: Int, seed: UInt64, on communicator: Communicator
    ) throws -> ConstituentSample {
        invariant(jets > 0 && valuesPerFeature > 0, "a fit to \(jets) jets, \(valuesPerFeature) values")
        var sample = try communicator.agree {
            var sample = ConstituentSample(capacity: valuesPerFeature, seed: seed)
            let numbering = dataset.numbering
            let indices = chosenBlocks(of: numbering, jets: jets, seed: seed)
            for (number, index) in indices.enumerated() where number % communicator.size == communicator.rank
            {
                sample.add(
                    try dataset.read(block: numbering.block(at: index)), jets: numbering.jets(at: index))
            }
            return sample
        }
        let counts = try communicator.allReduce(sample.counts)
        sample.thin(to: level(counts: counts, capacity: valuesPerFeature))
        return sample
    }

    /// The blocks that a fit reads: in random order until they hold `jets` jets.
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

    /// All ranks' values of a feature in rising order, on the first rank; of charged constituents only, where
    /// others have none. Collective. Throws `AgreedError` where there is no value.
    func sortedValues(
        of feature: Int, in dataset: JetDataset, on communicator: Communicator
    ) throws -> [Float]? {
        let parts = try communicator.gather(values(of: feature))
        return try communicator.onRoot {
            var all = Array(parts!.joined())
            guard !all.isEmpty else {
                throw JetError(
                    "\(dataset.paths[0]): feature '\(JetFeatures.allNames[feature])' has no value to "
                        + "be fitted to, for no constituent is charged; leave it out of the list")
            }
            all.sort()
            return all
        }
    }

    /// The lowest level at which at most `capacity` constituents remain.
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
        let width = JetFeatures.allNames.count
        for jet in 0..<block.count {
            let start = Int(block.offsets[jet])
            for token in start..<Int(block.offsets[jet + 1]) {
                let word = RandomKey(
                    seed: seed, stream: .fit, epoch: 1, jet: jets[jet], constituent: token - start
                ).block(0).x
                let zeros = word.leadingZeroBitCount
                counts[zeros] += 1
                guard zeros >= level else { continue }
                words.append(word)
                neutral.append(JetFeatures.isNeutral(block.identities[token]))
                rows.append(contentsOf: block.values[token * width..<(token + 1) * width])
            }
        }
        let needed = Self.level(counts: counts, capacity: capacity)
        if needed > level { thin(to: needed) }
    }

    private func values(of feature: Int) -> [Float] {
        let width = JetFeatures.allNames.count
        let chargedOnly = JetFeatures.impactParameters.contains(feature)
        var values: [Float] = []
        for index in words.indices where !(chargedOnly && neutral[index]) {
            // Adding zero turns −0 into +0: the two compare equal, so that sorting would leave them as they
            // came.
            values.append(rows[index * width + feature] + 0)
        }
        return values
    }

    private mutating func thin(to level: Int) {
        let width = JetFeatures.allNames.count
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
