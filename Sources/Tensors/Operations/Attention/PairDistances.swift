internal import CKernels
import System

// T tokens, P = Σ_j n_j (n_j − 1) / 2 pairs, C channels; pair p = (i, j) of one jet, i < j
//
//   y[p] = |x_i − x_j|      x [T, C], y [P, C]
//   dx_i = Σ sign(x_i − x_j) ⊙ dy[p]      dx_j = −Σ sign(x_i − x_j) ⊙ dy[p]
extension Offsets {
    /// The pairs of each jet.
    package var pairs: Offsets { Offsets(counts: (0..<jets).map { self[$0].count * (self[$0].count - 1) / 2 }) }

    /// The results of `body(i, j)` for all pairs of tokens i < j of a jet, in the order (0, 1), (0, 2) … (1, 2) … of
    /// each.
    package func mapPairs<R>(_ body: (Int, Int) throws -> R) rethrows -> [R] {
        var result: [R] = []
        result.reserveCapacity(pairs.tokens)
        for jet in 0..<jets {
            for i in self[jet] {
                for j in i + 1..<self[jet].upperBound { try result.append(body(i, j)) }
            }
        }
        return result
    }
}

extension Tape {
    /// The channel-wise distance of the tokens of every pair of a jet, `[tokens, channels]` to `[pairs, channels]`, in
    /// the order of `Offsets.pairs`.
    package func pairDistances(_ x: Variable, offsets: Offsets) -> Variable {
        let channels = x.value.columns
        invariant(
            offsets.tokens == x.value.rows, "offsets of \(offsets.tokens) tokens for \(x.value.rows) rows")
        let pairs = offsets.pairs
        let y = Tensor(shape: [pairs.tokens, channels])
        parallel(offsets.jets) { jets in
            for jet in jets {
                ck_pair_distances(
                    y.pointer + pairs[jet].lowerBound * channels,
                    x.value.pointer + offsets[jet].lowerBound * channels, Int64(offsets[jet].count),
                    Int64(channels))
            }
        }
        return record("pair distances", y, from: [x]) { dy in
            let to = x.gradientTarget().zeroedIfNew().pointer
            parallel(offsets.jets) { jets in
                for jet in jets {
                    let first = offsets[jet].lowerBound * channels
                    ck_pair_distances_backward(
                        to + first, dy.pointer + pairs[jet].lowerBound * channels, x.value.pointer + first,
                        Int64(offsets[jet].count), Int64(channels))
                }
            }
        }
    }
}
