import HDF5
import MPI
import Tensors

extension QuantilePreprocessing {
    /// Finds the quantiles of the features of a dataset; collective, and the same to the bit for any number
    /// of ranks.
    ///
    /// Whole blocks in a random order that depends on the seed alone are read until they hold `jets` jets.
    /// Where that gives more than `valuesPerFeature` constituents, a random half of them is kept, as often as
    /// needed. The impact parameters are fitted on charged constituents only. Throws `AgreedError` on every
    /// rank when a rank cannot read, or a feature has no value.
    public static func fit(
        _ dataset: JetDataset, features: JetFeatures = .all, jets: Int = 1_000_000, quantiles: Int = 500,
        valuesPerFeature: Int = 4_000_000, seed: UInt64 = 0, on communicator: Communicator
    ) throws -> QuantilePreprocessing {
        precondition(quantiles >= 2, "\(quantiles) quantiles")
        precondition(jets > 0 && valuesPerFeature > 0, "a fit to \(jets) jets, \(valuesPerFeature) values")
        let sample = try communicator.agree {
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
        let level = ConstituentSample.level(counts: counts, capacity: valuesPerFeature)

        var table = [Double](repeating: 0, count: quantiles * features.count)
        for (column, feature) in features.indices.enumerated() {
            let parts = try communicator.gather(sample.values(of: feature, level: level))
            let values = try communicator.onRoot {
                var all = Array(parts!.joined())
                guard !all.isEmpty else {
                    throw JetError(
                        "\(dataset.paths[0]): feature '\(JetFeatures.allNames[feature])' has no value to "
                            + "fit its quantiles to, for no constituent is charged; leave it out of the list"
                    )
                }
                all.sort()
                return all
            }
            if let values {
                for row in 0..<quantiles {
                    table[row * features.count + column] = quantile(
                        Double(row) / Double(quantiles - 1), ofSorted: values)
                }
                // Rounding may break the order of equal values by a bit.
                for row in 1..<quantiles {
                    let index = row * features.count + column
                    table[index] = max(table[index], table[index - features.count])
                }
            }
        }
        return try QuantilePreprocessing(features: features, quantiles: try communicator.broadcast(table))
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
}

/// The quantile by linear interpolation, as NumPy computes it.
func quantile(_ probability: Double, ofSorted values: [Float]) -> Double {
    let position = probability * Double(values.count - 1)
    let low = min(Int(position), values.count - 1)
    let high = min(low + 1, values.count - 1)
    let (a, b, t) = (Double(values[low]), Double(values[high]), position - Double(low))
    return t < 0.5 ? a + (b - a) * t : b - (b - a) * (1 - t)
}

/// Constituents of the jets that one rank reads, thinned so that memory is bounded.
///
/// Every constituent has a random word; level k keeps those whose first k bits are zero. A rank raises its
/// own level when it holds too many, and all ranks together find the lowest level that is enough for all:
/// which constituents remain does not depend on who read them.
private struct ConstituentSample {
    /// The number of constituents by leading zero bits of their word, kept or not.
    private(set) var counts = [Int](repeating: 0, count: 33)
    private let capacity: Int
    private let seed: UInt64
    private var level = 0
    private var words: [UInt32] = []
    private var neutral: [Bool] = []
    private var rows: [Float] = []  // seven a constituent

    init(capacity: Int, seed: UInt64) {
        self.capacity = capacity
        self.seed = seed
    }

    /// The lowest level at which at most `capacity` constituents remain.
    static func level(counts: [Int], capacity: Int) -> Int {
        var level = 32
        var remaining = counts[32]
        while level > 0, remaining + counts[level - 1] <= capacity {
            level -= 1
            remaining += counts[level]
        }
        return level
    }

    mutating func add(_ block: JetBlock, jets: BlockJets) {
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

    /// The kept values of a feature at a level that is at least as high as any rank's own.
    func values(of feature: Int, level: Int) -> [Float] {
        let width = JetFeatures.allNames.count
        let chargedOnly = JetFeatures.impactParameters.contains(feature)
        var values: [Float] = []
        for (index, word) in words.enumerated()
        where word.leadingZeroBitCount >= level && !(chargedOnly && neutral[index]) {
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
