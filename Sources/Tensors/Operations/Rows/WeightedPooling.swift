internal import CKernels
import System

// T tokens, J jets, C channels; per jet of tokens t
//
//   w = softmax(s)         y[j] = Σ_t w_t x_t        s [T, 1], x [T, C], y [J, C]
//   dx_t = w_t dy[j]       ds_t = w_t (dy[j] · x_t − Σ_u w_u dy[j] · x_u)
extension Tape {
    /// The weighted mean of the tokens of each jet, with the softmax of a score over the jet as weights.
    ///
    /// - Parameters:
    ///   - x: `[tokens, channels]`.
    ///   - scores: `[tokens, 1]`.
    ///   - offsets: the tokens of each jet.
    /// - Returns: `[jets, channels]`; zero for a jet without tokens.
    package func weightedPooling(_ x: Variable, scores: Variable, offsets: Offsets) -> Variable {
        let (tokens, channels) = (x.value.rows, x.value.columns)
        invariant(scores.shape == [tokens, 1], "scores of shape \(scores.shape) for \(tokens) tokens")
        invariant(offsets.tokens == tokens, "offsets of \(offsets.tokens) tokens for \(tokens) rows")
        let weights = Tensor(shape: [tokens])
        let y = Tensor(shape: [offsets.jets, channels])
        parallel(offsets.jets) { jets in
            for jet in jets {
                let first = offsets[jet].lowerBound
                ck_weighted_pooling(
                    y.pointer + jet * channels, weights.pointer + first, x.value.pointer + first * channels,
                    scores.value.pointer + first, Int64(offsets[jet].count), Int64(channels))
            }
        }
        return record("weighted pooling", y, from: [x, scores]) { dy in
            let target = x.requiresGradient ? x.gradientTarget() : nil
            let dscores = Tensor(shape: scores.shape)
            parallel(offsets.jets) { jets in
                for jet in jets {
                    let first = offsets[jet].lowerBound
                    ck_weighted_pooling_backward(
                        target.map { $0.pointer + first * channels }, dscores.pointer + first,
                        dy.pointer + jet * channels, x.value.pointer + first * channels,
                        weights.pointer + first, target?.accumulate == true ? 1 : 0,
                        Int64(offsets[jet].count), Int64(channels))
                }
            }
            scores.add(gradient: dscores)
        }
    }
}
