internal import CKernels
import System

// T tokens, C channels of the output; x = [a | v] [T, 2C]; σ the logistic function
//
//   y = a σ(a) v      y [T, C]
//   da = dy v σ(a) (1 + a (1 − σ(a)))      dv = dy a σ(a)
extension Tape {
    /// The gated unit SwiGLU (Shazeer, arXiv:2002.05202): the first half of the channels, through SiLU, gates the
    /// second.
    ///
    /// - Parameter x: `[tokens, 2 · channels]`, of either element type; the output has the same. The function is
    ///   computed in single precision.
    package func swiglu(_ x: Variable) -> Variable {
        invariant(x.value.columns % 2 == 0, "SwiGLU halves its channels: \(x.value.columns) is odd")
        let (tokens, channels) = (x.value.rows, x.value.columns / 2)
        let grain = elementGrain / channels
        let y = Tensor(shape: [tokens, channels], elementType: x.value.elementType)
        let floats = x.value.scratchFloats(2 * channels) + y.scratchFloats(channels)
        parallel(tokens, grain: grain) { rows in
            forEachBlock(of: rows, floats: floats) { block in
                let from = block.read(x.value, width: 2 * channels)
                let to = block.output(y, width: channels)
                ck_swiglu(to, from, Int64(block.count), Int64(channels))
                block.store(to, y, width: channels)
            }
        }
        return record("SwiGLU", y, from: [x]) { dy in
            let target = x.gradientTarget(firstShare: .bfloat16)
            let (dx, accumulate): (Tensor, Int32) = (target.tensor, target.accumulate ? 1 : 0)
            let floats = floats + dx.scratchFloats(2 * channels)
            parallel(tokens, grain: grain) { rows in
                forEachBlock(of: rows, floats: floats) { block in
                    let (from, dy) = (block.read(x.value, width: 2 * channels), block.read(dy, width: channels))
                    let to = block.output(dx, width: 2 * channels)
                    ck_swiglu_backward(to, dy, from, accumulate, Int64(block.count), Int64(channels))
                    block.store(to, dx, width: 2 * channels)
                }
            }
        }
    }
}
