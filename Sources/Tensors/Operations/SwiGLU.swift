internal import CKernels

// T tokens, C channels of the output; x = [a | v] has 2C; σ the logistic function
//
//   y = a σ(a) v
//   da = dy v σ(a) (1 + a (1 − σ(a)))      dv = dy a σ(a)
extension Tape {
    /// The gated unit SwiGLU (Shazeer, arXiv:2002.05202): the first half of the channels, through SiLU, gates the second.
    public func swiglu(_ x: Variable) -> Variable {
        precondition(x.value.columns % 2 == 0, "SwiGLU halves its channels: \(x.value.columns) is odd")
        let (tokens, channels) = (x.value.rows, x.value.columns / 2)
        let y = Tensor(shape: [tokens, channels])
        let grain = elementGrain / channels
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
}
