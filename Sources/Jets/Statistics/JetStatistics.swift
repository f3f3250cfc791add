import Tensors

/// Statistics of the jets in files, from a random sample of blocks.
package struct JetStatistics: Sendable, Codable {
    /// The distribution of one quantity.
    package struct Distribution: Sendable, Codable {
        /// The probabilities of `quantiles`.
        package static let probabilities = [0.01, 0.05, 0.5, 0.95, 0.99]

        package let name: String
        /// The number of values.
        package let count: Int
        package let mean: Double
        /// The standard deviation.
        package let deviation: Double
        /// The quantiles, one for each of `probabilities`.
        package let quantiles: [Double]
        /// The fraction of the values that are zero.
        package let zeros: Double

        /// The distribution of values, which it sorts.
        init(_ name: String, of values: inout [Float]) {
            self.name = name
            count = values.count
            var (sum, zeros) = (0.0, 0)
            for value in values {
                sum += Double(value)
                if value == 0 { zeros += 1 }
            }
            let (number, mean) = (Double(max(1, values.count)), sum / Double(max(1, values.count)))
            deviation = (values.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / number)
                .squareRoot()
            self.mean = mean
            self.zeros = Double(zeros) / number
            values.sort()
            quantiles = values.isEmpty ? [] : Self.probabilities.map { quantile($0, ofSorted: values) }
        }
    }

    /// The number of jets of a class.
    package struct ClassCount: Sendable, Codable {
        package let label: Int
        /// Empty if the files do not name their classes.
        package let name: String
        package let jets: Int
    }

    /// The fraction of constituents with an identity class.
    package struct IdentityFraction: Sendable, Codable {
        package let name: String
        package let fraction: Double
    }

    /// The files, in order.
    package let paths: [String]
    /// The number of jets in all files.
    package let jets: Int
    /// The number of blocks in all files, and in the sample.
    package let blocks, sampledBlocks: Int
    /// The number of jets in the sample.
    package let sampledJets: Int
    /// The number of jets of each class: in all files if they have at most `labelLimit` jets, otherwise in the sample.
    package let classes: [ClassCount]
    /// True if `classes` counts all files.
    package let areAllClassesCounted: Bool
    /// The number of constituents of a jet.
    package let multiplicity: Distribution
    /// The features of constituents; impact parameters of charged ones only.
    package let features: [Distribution]
    package let identities: [IdentityFraction]
    /// The number of jets in the sample without constituents.
    package let emptyJets: Int
    /// The number of jets in the sample whose constituents are not stored by decreasing pT.
    package let unsortedJets: Int
    /// Sentences about features that cannot be what their names say.
    package let warnings: [String]

    /// The largest number of jets of which all labels are read.
    static let labelLimit = 10_000_000

    /// Reads blocks of the files that match the patterns, in random order, until they contain `sample` jets.
    ///
    /// Throws `HDF5Error`, or `JetError` at values that cannot be used.
    package init(_ patterns: [String], sample: Int = 50_000, seed: UInt64 = 0) throws {
        let list = try JetFileList(patterns, reading: JetReading(maxConstituents: .max))
        let pool = JetFilePool(list, reading: JetReading(maxConstituents: .max), on: nil)
        let layout = BlockLayout(fileLengths: list.counts, blockRows: list.blockRows)
        var sequence = RandomSequence(RandomKey(seed: seed, stream: .fit))
        let order = Permutation(count: layout.blockCount, key: sequence.next())

        let width = list.features.storedCount
        var columns = [[Float]](repeating: [], count: width)
        var (counts, kinds, labels) = (
            [Float](), [Int](repeating: 0, count: list.features.identities.count), [Int32: Int]()
        )
        var read = 0
        var summary = FeatureSummary(list.features)
        while read < layout.blockCount, counts.count < sample {
            let (file, rows) = layout.place(ofBlock: order[read])
            let block = try pool.file(file).read(rows: rows)
            summary.add(block)
            for jet in 0..<block.count { counts.append(Float(block.offsets[jet].count)) }
            for label in block.labels { labels[label, default: 0] += 1 }
            for (token, identity) in block.identities.enumerated() {
                kinds[Int(identity)] += 1
                let isNeutral = list.features.identities.isNeutral(identity)
                for feature in 0..<width where !(isNeutral && JetFeatures.impactParameters.contains(feature)) {
                    columns[feature].append(block.values[token * width + feature])
                }
            }
            read += 1
        }
        areAllClassesCounted = layout.count <= Self.labelLimit
        if areAllClassesCounted, read < layout.blockCount {
            labels = [:]
            for start in stride(from: 0, to: layout.blockCount, by: 256) {
                let part = start..<min(start + 256, layout.blockCount)
                for label in try pool.labels(ofBlocks: part, in: layout) { labels[label, default: 0] += 1 }
            }
        }
        paths = list.paths
        jets = layout.count
        (blocks, sampledBlocks, sampledJets) = (layout.blockCount, read, counts.count)
        let names = list.classNames
        let known = Set(labels.keys).union(names.indices.map { Int32($0) })
        classes = known.sorted().map {
            ClassCount(label: Int($0), name: names.isEmpty ? "" : names[Int($0)], jets: labels[$0] ?? 0)
        }
        (emptyJets, unsortedJets, warnings) = (
            summary.emptyJets, summary.unsortedJets, summary.warnings(columns: list.presentFeatures)
        )
        multiplicity = Distribution("constituents", of: &counts)
        features = list.presentFeatures.map { Distribution(list.features.storedNames[$0], of: &columns[$0]) }
        let total = Double(max(1, kinds.reduce(0, +)))
        identities = zip(list.features.identities.names, kinds).map {
            IdentityFraction(name: $0, fraction: Double($1) / total)
        }
    }
}
