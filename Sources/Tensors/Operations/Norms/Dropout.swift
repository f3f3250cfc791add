internal import CKernels
import System

// T tokens, C channels, p the rate, m[t, c] = 1 with probability 1 − p and 0 otherwise
//
//   y = m ⊙ x / (1 − p)      dx = m ⊙ dy / (1 − p)
extension Tape {
    /// Sets elements to zero at random and scales the others up, so that the mean is unchanged (Srivastava et al.,
    /// 2014).
    ///
    /// The mask is a function of the keys of the tokens and of the place alone: it is the same on any number of ranks,
    /// and the gradient generates it again instead of keeping it. The rate is rounded to a multiple of 2⁻¹⁶,
    /// which must be below 1.
    ///
    /// - Parameters:
    ///   - x: `[tokens, channels]` with at most 4096 channels, of either element type; the output has the same.
    ///   - rate: the probability of zero, in `0 ..< 1`.
    ///   - place: the number of this dropout in its network, below 128. Different places use different random numbers.
    ///   - keys: one for each token.
    package func dropout(_ x: Variable, rate: Float, place: Int, keys: TokenKeys) -> Variable {
        let (tokens, channels) = (x.value.rows, x.value.columns)
        invariant(keys.count == tokens, "\(keys.count) keys for \(tokens) tokens")
        invariant(channels <= TokenKeys.channels, "dropout of \(channels) channels")
        let (dropped, scale) = dropoutConstants(rate: rate)
        let firstBlock = keys.firstBlock(ofPlace: place)
        func drop(_ from: Tensor, into target: GradientTarget) {
            let (result, accumulate): (Tensor, Int32) = (target.tensor, target.accumulate ? 1 : 0)
            let floats = from.scratchFloats(channels) + result.scratchFloats(channels)
            parallel(tokens, grain: elementGrain / max(1, channels)) { rows in
                keys.withWords { counters, key in
                    forEachBlock(of: rows, floats: floats) { block in
                        let from = block.read(from, width: channels)
                        let to = block.output(result, width: channels)
                        ck_dropout(
                            to, from, counters + 4 * block.first, key, firstBlock, dropped, scale, accumulate,
                            Int64(block.count), Int64(channels))
                        block.store(to, result, width: channels)
                    }
                }
            }
        }
        let y = Tensor(shape: x.shape, elementType: x.value.elementType)
        drop(x.value, into: GradientTarget(tensor: y, accumulate: false))
        return record("dropout", y, from: [x]) { dy in drop(dy, into: x.gradientTarget(firstShare: .bfloat16)) }
    }
}

/// The sixteen random bits below which an element is dropped, and the factor of the others.
func dropoutConstants(rate: Float) -> (dropped: UInt32, scale: Float) {
    invariant(rate >= 0 && rate * 65536 < 65535.5, "a dropout rate of \(rate)")
    let dropped = UInt32((rate * 65536).rounded())
    return (dropped, 65536 / Float(65536 - dropped))
}
