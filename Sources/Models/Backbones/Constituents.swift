import System
import Tensors

/// The constituents of packed jets, as the input of a network.
package struct Constituents {
    /// Preprocessed continuous features, `[tokens, features]`.
    package var values: Tensor
    /// Identity class of each token.
    package var identities: [Int32]
    /// Offsets of the jets.
    package var offsets: Offsets

    package init(values: Tensor, identities: [Int32], offsets: Offsets) {
        invariant(values.rows == offsets.tokens && identities.count == offsets.tokens, "one row for each token")
        self.values = values
        self.identities = identities
        self.offsets = offsets
    }
}

/// Jets divided into the constituents that a network sees and those to recover.
package struct MaskedConstituents {
    /// The undivided jets.
    package let all: Constituents
    /// One flag for each of their constituents, true if it is dropped.
    package let mask: [Bool]
    /// The constituents that are not dropped.
    package let survivors: Constituents
    /// The dropped constituents, in the order of the jet.
    package let dropped: Constituents

    /// - Parameter mask: one flag for each token, true if it is dropped.
    package init(_ jets: Constituents, mask: [Bool]) {
        invariant(mask.count == jets.offsets.tokens, "one flag for each token")
        all = jets
        self.mask = mask
        survivors = jets.selecting(mask, false)
        dropped = jets.selecting(mask, true)
    }

    /// Indices of the dropped constituents among all.
    package var droppedTokens: [Int32] { mask.indices.filter { mask[$0] }.map { Int32($0) } }
}

extension Constituents {
    /// The tokens whose flag has the given value.
    fileprivate func selecting(_ flags: [Bool], _ wanted: Bool) -> Constituents {
        let features = values.columns
        let count = flags.reduce(0) { $0 + ($1 == wanted ? 1 : 0) }
        let selected = Tensor(shape: [count, features])
        var ids: [Int32] = []
        ids.reserveCapacity(count)
        var starts: [Int32] = [0]
        starts.reserveCapacity(offsets.jets + 1)
        var row = 0
        for jet in 0..<offsets.jets {
            for token in offsets[jet] where flags[token] == wanted {
                (selected.pointer + row * features).update(from: values.pointer + token * features, count: features)
                ids.append(identities[token])
                row += 1
            }
            starts.append(Int32(row))
        }
        return Constituents(values: selected, identities: ids, offsets: Offsets(starts))
    }
}
