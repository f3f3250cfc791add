import System
import Tensors

/// Consecutive jets of a file as stored, without padding. J jets, T tokens (constituents).
package struct JetBlock: Sendable {
    /// The first token of each jet.
    package let offsets: Offsets
    /// The features as stored, `[T, width]`, row-major; all finite.
    package let values: [Float]
    /// The identity class of each constituent, T values below `features.identities.count`.
    package let identities: [UInt8]
    /// The class of each jet, J values.
    package let labels: [Int32]
    /// Further integers for each constituent, such as its vertex: T values for each dataset that was requested.
    package let constituentLabels: [[Int32]]
    /// Numbers of each jet: J values for each quantity that was requested.
    package internal(set) var quantities: [[Float]] = []
    /// For each constituent its number among the stored ones of the rows that were read; nil if all were taken as
    /// stored.
    var order: [Int32]?
    /// The number of jets whose constituents are not stored by decreasing pT; those of this block are.
    package internal(set) var unsortedJets = 0

    /// The columns of `values` are `features.storedNames`.
    package let features: JetFeatures

    /// The number of jets.
    package var count: Int { labels.count }
    /// The number of stored features.
    package var width: Int { features.storedCount }

    package init(
        offsets: Offsets, values: [Float], identities: [UInt8], labels: [Int32], constituentLabels: [[Int32]] = [],
        features: JetFeatures = .all
    ) {
        invariant(
            offsets.jets == labels.count && offsets.tokens == identities.count
                && values.count == features.storedCount * identities.count
                && constituentLabels.allSatisfy { $0.count == identities.count },
            "the arrays of a block have different lengths")
        self.offsets = offsets
        self.values = values
        self.identities = identities
        self.labels = labels
        self.constituentLabels = constituentLabels
        self.features = features
    }

    /// The size of the arrays [bytes].
    var bytes: Int {
        4 * (offsets.values.count + values.count + (1 + quantities.count) * labels.count + (order?.count ?? 0))
            + (1 + 4 * constituentLabels.count) * identities.count
    }

    /// The stored features of consecutive tokens, `[tokens, width]`.
    func values(of tokens: Range<Int>) -> ArraySlice<Float> {
        values[tokens.lowerBound * width..<tokens.upperBound * width]
    }

    /// The jets at the given rows, which rise.
    func selecting(_ rows: [Int]) -> JetBlock {
        var (values, identities): ([Float], [UInt8]) = ([], [])
        var others = constituentLabels.map { _ in [Int32]() }
        for row in rows {
            let tokens = offsets[row]
            values += self.values(of: tokens)
            identities += self.identities[tokens]
            for index in others.indices { others[index] += constituentLabels[index][tokens] }
        }
        var selected = JetBlock(
            offsets: Offsets(counts: rows.map { offsets[$0].count }), values: values, identities: identities,
            labels: rows.map { labels[$0] }, constituentLabels: others, features: features)
        selected.unsortedJets = min(unsortedJets, rows.count)
        selected.quantities = quantities.map { values in rows.map { values[$0] } }
        return selected
    }
}
