import System
import Tensors

/// The constituents of packed jets as a network takes them.
package struct Constituents {
    /// Preprocessed continuous features, `[tokens, features]`.
    package var values: Tensor
    /// Identity classes, one a token.
    package var identities: [Int32]
    /// Where each jet begins.
    package var offsets: Offsets

    package init(values: Tensor, identities: [Int32], offsets: Offsets) {
        invariant(values.rows == offsets.tokens && identities.count == offsets.tokens, "one row a token")
        self.values = values
        self.identities = identities
        self.offsets = offsets
    }
}

/// Jets cut into the constituents that the encoder sees and those that have to be recovered.
package struct MaskedConstituents {
    /// The jets before they were cut.
    package let all: Constituents
    /// Whether each of their constituents has to be recovered.
    package let isDropped: [Bool]
    /// What the encoder sees.
    package let survivors: Constituents
    /// What is to be recovered, in the order of the jet.
    package let dropped: Constituents

    /// - Parameter isDropped: one flag a token.
    package init(_ jets: Constituents, isDropped: [Bool]) {
        invariant(isDropped.count == jets.offsets.tokens, "one flag a token")
        all = jets
        self.isDropped = isDropped
        survivors = jets.selecting(isDropped, false)
        dropped = jets.selecting(isDropped, true)
    }

    /// Where the dropped constituents stand among all.
    package var droppedTokens: [Int32] { isDropped.indices.filter { isDropped[$0] }.map { Int32($0) } }
}

extension Constituents {
    /// The tokens whose flag has the wanted value.
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
