import System

/// Consecutive jets of a file as stored, with the padding removed. Jets J, tokens T.
package struct JetBlock: Sendable {
    /// Where each jet begins: J + 1 rising token numbers.
    package let offsets: [Int32]
    /// The features as stored, T × 7, row by row; finite.
    package let values: [Float]
    /// What each constituent is, T values in 0 … 7.
    package let identities: [UInt8]
    /// The class of each jet, J values.
    package let labels: [Int32]
    /// What else was asked for of each constituent, such as its vertex: T values for each name.
    package let constituentLabels: [[Int32]]

    /// The number of jets.
    package var count: Int { labels.count }

    /// A block of these arrays, whose lengths must fit.
    package init(offsets: [Int32], values: [Float], identities: [UInt8], labels: [Int32], constituentLabels: [[Int32]] = []) {
        invariant(
            offsets.count == labels.count + 1 && offsets[0] == 0
                && Int(offsets[labels.count]) == identities.count
                && values.count == JetFeatures.allNames.count * identities.count
                && constituentLabels.allSatisfy { $0.count == identities.count },
            "the arrays of a block do not fit")
        self.offsets = offsets
        self.values = values
        self.identities = identities
        self.labels = labels
        self.constituentLabels = constituentLabels
    }

    /// The number of bytes that the arrays take.
    var bytes: Int {
        4 * (offsets.count + values.count + labels.count) + (1 + 4 * constituentLabels.count) * identities.count
    }

    /// The jets at some rising rows.
    func keeping(_ rows: [Int]) -> JetBlock {
        let width = JetFeatures.allNames.count
        var (offsets, values, identities): ([Int32], [Float], [UInt8]) = ([0], [], [])
        var others = constituentLabels.map { _ in [Int32]() }
        for row in rows {
            let tokens = Int(self.offsets[row])..<Int(self.offsets[row + 1])
            offsets.append(offsets[offsets.count - 1] + Int32(tokens.count))
            values += self.values[tokens.lowerBound * width..<tokens.upperBound * width]
            identities += self.identities[tokens]
            for index in others.indices { others[index] += constituentLabels[index][tokens] }
        }
        return JetBlock(
            offsets: offsets, values: values, identities: identities, labels: rows.map { labels[$0] },
            constituentLabels: others)
    }
}
