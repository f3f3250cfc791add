import System
import Tensors

/// Jets as a model takes them: packed, never padded. J jets, T tokens (constituents), F features.
package struct JetBatch: Sendable {
    /// The global index of each jet, J values.
    package let jets: [Int]
    /// The epoch, part of the key of all random numbers of the jets.
    package let epoch: Int
    /// The first token of each jet.
    package let offsets: Offsets
    /// The preprocessed features, `[T, F]`.
    package let values: Tensor
    /// The identity class of each constituent, T values.
    package let identities: [Int32]
    /// The class of each jet, J values.
    package let labels: [Int32]
    /// Further integers for each constituent, such as its vertex: T values for each dataset that was requested.
    package let constituentLabels: [[Int32]]
    /// Numbers of each jet, such as a target of a regression: J values for each quantity that was requested.
    package let quantities: [[Float]]
    /// pT [GeV], Δη and Δφ of each constituent as stored, T values; nil unless requested.
    package let momenta: [SIMD3<Float>]?

    /// The number of jets.
    package var count: Int { jets.count }
    /// The number of constituents.
    package var tokenCount: Int { identities.count }

    /// A batch with these fields. There are more than six parameters because each is an array of the batch.
    package init(
        jets: [Int], epoch: Int, offsets: Offsets, values: Tensor, identities: [Int32], labels: [Int32],
        constituentLabels: [[Int32]] = [], quantities: [[Float]] = [], momenta: [SIMD3<Float>]? = nil
    ) {
        invariant(
            offsets.jets == jets.count && labels.count == jets.count && offsets.tokens == identities.count
                && values.rows == identities.count
                && constituentLabels.allSatisfy { $0.count == identities.count }
                && quantities.allSatisfy { $0.count == jets.count }
                && momenta.map { $0.count == identities.count } ?? true,
            "the arrays of a batch have different lengths")
        self.jets = jets
        self.epoch = epoch
        self.offsets = offsets
        self.values = values
        self.identities = identities
        self.labels = labels
        self.constituentLabels = constituentLabels
        self.quantities = quantities
        self.momenta = momenta
    }

    /// Consecutive jets of the batch, by position; the values are shared, not copied.
    package func slice(jets range: Range<Int>) -> JetBatch {
        invariant(range.lowerBound >= 0 && range.upperBound <= count, "jets \(range) of a batch of \(count)")
        let starts = offsets.values[range.lowerBound...range.upperBound]
        let first = starts[range.lowerBound]
        let tokens = Int(first)..<Int(starts[range.upperBound])
        return JetBatch(
            jets: Array(jets[range]), epoch: epoch, offsets: Offsets(starts.map { $0 - first }),
            values: values.rows(tokens), identities: Array(identities[tokens]), labels: Array(labels[range]),
            constituentLabels: constituentLabels.map { Array($0[tokens]) },
            quantities: quantities.map { Array($0[range]) },
            momenta: momenta.map { Array($0[tokens]) })
    }
}
