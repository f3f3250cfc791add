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
    /// Transverse momentum, rapidity, azimuth and squared mass of each token as stored, `[tokens, 4]`; nil where no
    /// network needs them.
    package var momenta: Tensor?

    package init(values: Tensor, identities: [Int32], offsets: Offsets, momenta: Tensor? = nil) {
        invariant(
            values.rows == offsets.tokens && identities.count == offsets.tokens
                && momenta.map { $0.rows == offsets.tokens } ?? true, "one row for each token")
        self.values = values
        self.identities = identities
        self.offsets = offsets
        self.momenta = momenta
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
        let rows = flags.indices.filter { flags[$0] == wanted }
        let selected = values.selecting(rows)
        var ids: [Int32] = []
        ids.reserveCapacity(rows.count)
        var starts: [Int32] = [0]
        starts.reserveCapacity(offsets.jets + 1)
        var row = 0
        for jet in 0..<offsets.jets {
            for token in offsets[jet] where flags[token] == wanted {
                ids.append(identities[token])
                row += 1
            }
            starts.append(Int32(row))
        }
        return Constituents(
            values: selected, identities: ids, offsets: Offsets(starts), momenta: momenta?.selecting(rows))
    }
}

extension Tensor {
    /// Some rows of a matrix.
    fileprivate func selecting(_ rows: [Int]) -> Tensor {
        let result = Tensor(shape: [rows.count, columns])
        for (row, token) in rows.enumerated() {
            (result.pointer + row * columns).update(from: pointer + token * columns, count: columns)
        }
        return result
    }
}
