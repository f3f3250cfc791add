internal import CKernels
import System

// T tokens, C channels of the output; x = [a | v] has 2C; σ the logistic function
//
//   y = a σ(a) v
//   da = dy v σ(a) (1 + a (1 − σ(a)))      dv = dy a σ(a)
extension Tape {
    /// The gated unit SwiGLU (Shazeer, arXiv:2002.05202): the first half of the channels, through SiLU, gates the second.
    package func swiglu(_ x: Variable) -> Variable {
        invariant(x.values.columns % 2 == 0, "SwiGLU halves its channels: \(x.values.columns) is odd")
        let (tokens, channels) = (x.values.rows, x.values.columns / 2)
        let grain = elementGrain / channels
        if case .narrow(let from) = x.values {
            return narrowSwiglu(x, from, grain: grain)
        }
        let y = Tensor(shape: [tokens, channels])
        parallel(tokens, grain: grain) { rows in
            let first = rows.lowerBound
            ck_swiglu(
                y.pointer + first * channels, x.value.pointer + first * 2 * channels, Int64(rows.count),
                Int64(channels))
        }
        return record("SwiGLU", y, from: [x]) { dy in
            let target = x.gradientTarget()
            parallel(tokens, grain: grain) { rows in
                let first = rows.lowerBound
                ck_swiglu_backward(
                    target.pointer + first * 2 * channels, dy.pointer + first * channels,
                    x.value.pointer + first * 2 * channels, target.accumulate ? 1 : 0, Int64(rows.count),
                    Int64(channels))
            }
        }
    }
    /// The same for bfloat16 numbers, computed in single precision on copies of a few rows.
    private func narrowSwiglu(_ x: Variable, _ from: NarrowTensor, grain: Int) -> Variable {
        let (tokens, channels) = (from.rows, from.columns / 2)
        let y = NarrowTensor(shape: [tokens, channels])
        parallel(tokens, grain: grain) { rows in
            forEachBlock(of: rows, floats: 3 * channels) { first, count, scratch in
                let result = scratch + 2 * count * channels
                widen(from.pointer + 2 * first * channels, to: scratch, count: 2 * count * channels)
                ck_swiglu(result, scratch, Int64(count), Int64(channels))
                narrow(result, to: y.pointer + first * channels, count: count * channels)
            }
        }
        return record("SwiGLU", .narrow(y), from: [x]) { gradient in
            let (dy, dx) = (gradient.narrowed(), x.narrowGradientTarget())
            parallel(tokens, grain: grain) { rows in
                forEachBlock(of: rows, floats: 5 * channels) { first, count, scratch in
                    let (values, share) = (scratch + 2 * count * channels, scratch + 4 * count * channels)
                    widen(from.pointer + 2 * first * channels, to: values, count: 2 * count * channels)
                    widen(dy.pointer + first * channels, to: share, count: count * channels)
                    ck_swiglu_backward(scratch, share, values, 0, Int64(count), Int64(channels))
                    narrow(scratch, to: dx.pointer + 2 * first * channels, count: 2 * count * channels)
                }
            }
        }
    }
}
