internal import CKernels
import System

// T tokens, C channels, p the rate, m[t, c] = 1 with probability 1 − p and 0 otherwise
//
//   y = m ⊙ x / (1 − p)      dx = m ⊙ dy / (1 − p)
extension Tape {
    /// Sets elements to zero at random and enlarges the others, so that the mean stays (Srivastava et al.,
    /// 2014).
    ///
    /// What is dropped follows from the keys of the tokens and the place alone, so it is the same on any
    /// number of ranks, and the gradient draws it again instead of keeping it. The rate is rounded to a
    /// multiple of 2⁻¹⁶.
    ///
    /// - Parameters:
    ///   - x: `[tokens, channels]`, at most 4096 channels.
    ///   - rate: the probability of zero, in `0 ..< 1`.
    ///   - place: the number of this dropout in its network, below 128: two places never share a number.
    ///   - keys: one for each token.
    package func dropout(_ x: Variable, rate: Float, place: Int, keys: TokenKeys) -> Variable {
        let (tokens, channels) = (x.value.rows, x.value.columns)
        invariant(rate >= 0 && rate < 1, "a dropout rate of \(rate)")
        invariant(keys.count == tokens, "\(keys.count) keys for \(tokens) tokens")
        invariant(channels <= TokenKeys.channels, "dropout of \(channels) channels")
        let dropped = UInt32((rate * 65536).rounded())
        let scale = 65536 / Float(65536 - dropped)
        let block = keys.firstBlock(ofPlace: place)
        let grain = elementGrain / max(1, channels)
        func drop(_ from: Tensor, into target: GradientTarget) {
            parallel(tokens, grain: grain) { rows in
                let first = rows.lowerBound * channels
                keys.withWords { counters, key in
                    ck_dropout(
                        target.pointer + first, from.pointer + first, counters + 4 * rows.lowerBound, key,
                        block, dropped, scale, target.accumulate ? 1 : 0, Int64(rows.count), Int64(channels))
                }
            }
        }
        let y = Tensor(shape: x.shape)
        drop(x.value, into: GradientTarget(tensor: y, accumulate: false))
        return record("dropout", y, from: [x]) { dy in drop(dy, into: x.gradientTarget()) }
    }
}
