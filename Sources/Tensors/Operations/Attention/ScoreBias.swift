internal import CKernels
import System

/// Arrangement of one value for each pair of a query and a key: for every jet `[heads, keys, queries padded to 16]`,
/// the jets one after the other.
struct ScoreLayout {
    /// The first element of each jet.
    private let starts: [Int]
    /// The elements of one head of each jet.
    private let sizes: [Int]
    /// The number of elements.
    let count: Int

    init(queries: Offsets, keys: Offsets, heads: Int) {
        sizes = (0..<queries.jets).map { Self.size(queries: queries[$0].count, keys: keys[$0].count) }
        var (starts, total) = ([Int](), 0)
        for size in sizes {
            starts.append(total)
            total += heads * size
        }
        (self.starts, count) = (starts, total)
    }

    /// The distance of consecutive keys.
    static func stride(queries: Int) -> Int { (queries + 15) / 16 * 16 }

    /// The elements of one head.
    static func size(queries: Int, keys: Int) -> Int { keys * stride(queries: queries) }

    /// The first element of a head of a jet.
    func place(ofHead head: Int, of jet: Int) -> Int { starts[jet] + head * sizes[jet] }
}

/// A bias of the scores of all heads, or its gradient.
struct ScoreBias {
    let values: Tensor
    let layout: ScoreLayout

    /// The values of one head of a jet; valid while the tensor exists.
    func head(_ head: Int, of jet: Int) -> UnsafeMutablePointer<Float> {
        values.pointer + layout.place(ofHead: head, of: jet)
    }
}

extension Packing {
    /// A bias of the scores of self-attention in all heads, the same for all blocks that receive it.
    package struct Bias {
        let variable: Variable
        let layout: ScoreLayout
        let heads: Int

        var values: ScoreBias { ScoreBias(values: variable.value, layout: layout) }

        /// The sum of the gradients of all blocks so far; nil if it is not needed.
        var gradient: ScoreBias? {
            guard variable.requiresGradient else { return nil }
            return ScoreBias(values: variable.gradientTarget().zeroedIfNew(), layout: layout)
        }
    }
}

// P = Σ_j n_j (n_j + 1) / 2 pairs i ≤ j, H heads, r tokens in front of each jet
//
//   B[h, r + i, r + j] = B[h, r + j, r + i] = b[p, h]      db[p, h] = dB[h, r + i, r + j] + dB[h, r + j, r + i], i ≠ j
extension Tape {
    /// The same packing with a bias of the scores of each pair of tokens, which is symmetric.
    ///
    /// - Parameters:
    ///   - pairs: the bias of the pairs i ≤ j of each jet for every head, `[pairs, heads]`, in the order of
    ///     `Offsets.pairsWithSelf`.
    ///   - inFront: the number of tokens in front of each jet that have no bias, such as registers.
    package func biased(_ packing: Packing, by pairs: Variable, inFront: Int) -> Packing {
        let offsets = packing.offsets
        let rows = (0..<offsets.jets).map { offsets[$0].count - inFront }
        invariant(rows.allSatisfy { $0 >= 0 }, "jets have fewer than \(inFront) tokens")
        let places = Offsets(counts: rows).pairsWithSelf
        let heads = pairs.value.columns
        invariant(pairs.value.rows == places.tokens, "a bias of \(pairs.value.rows) pairs for \(places.tokens)")
        let layout = ScoreLayout(queries: offsets, keys: offsets, heads: heads)
        func forEachJet(_ body: (Int, _ place: Int, _ pair: Int) -> Void) {
            parallel(costs: (0..<offsets.jets).map { places[$0].count }) { jets in
                for jet in jets {
                    body(rows[jet], layout.place(ofHead: 0, of: jet), places[jet].lowerBound * heads)
                }
            }
        }
        let values = Tensor(shape: [layout.count])
        forEachJet { rows, place, pair in
            ck_spread_pairs(
                values.pointer + place, pairs.value.pointer + pair, Int64(heads), Int64(inFront), Int64(rows))
        }
        let variable = record("pair bias", values, from: [pairs]) { gradient in
            let target = pairs.gradientTarget()
            forEachJet { rows, place, pair in
                ck_gather_pairs(
                    target.pointer + pair, gradient.pointer + place, target.accumulate ? 1 : 0, Int64(heads),
                    Int64(inFront), Int64(rows))
            }
        }
        return packing.with(Packing.Bias(variable: variable, layout: layout, heads: heads))
    }
}
