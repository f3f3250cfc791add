internal import CKernels
import System

// T tokens, C channels
//
//   y = x + s ⊙ f          x, f [T, C], s [C]
//   dx = dy                df = dy ⊙ s             ds = Σ_t dy ⊙ f
extension Tape {
    /// A residual update with an optional LayerScale (Touvron et al., arXiv:2103.17239): y = x + scale ⊙ branch.
    package func residual(_ x: Variable, _ branch: Variable, scale: Variable? = nil) -> Variable {
        invariant(x.shape == branch.shape, "a branch of shape \(branch.shape) cannot join \(x.shape)")
        let (tokens, channels) = (x.value.rows, x.value.columns)
        invariant(scale == nil || scale!.shape == [channels], "a layer scale has one value for each channel")
        let y = Tensor(shape: x.shape)
        parallel(tokens, grain: elementGrain / channels) { rows in
            let first = rows.lowerBound * channels
            ck_residual(
                y.pointer + first, x.value.pointer + first, branch.value.pointer + first, scale?.value.pointer,
                Int64(rows.count), Int64(channels))
        }
        return record("residual", y, from: [x, branch] + (scale.map { [$0] } ?? [])) { dy in
            x.add(gradient: dy)
            guard let scale else {
                branch.add(gradient: dy)
                return
            }
            let dbranch = Tensor(shape: dy.shape)
            let dscale = Tensor(repeating: 0, shape: [channels])
            parallelSum(rows: tokens, width: channels, into: dscale.pointer) { rows, sums in
                let first = rows.lowerBound * channels
                ck_residual_backward(
                    dbranch.pointer + first, sums, dy.pointer + first, branch.value.pointer + first,
                    scale.value.pointer, Int64(rows.count), Int64(channels))
            }
            branch.add(gradient: dbranch)
            scale.add(gradient: dscale)
        }
    }
}
