internal import CKernels
import System

// T tokens, J jets, C channels, M modulations; j(t) the jet of a token; g one of the M blocks of m [J, M C]
//
//   y = x + g[j] ⊙ f
//   dx = dy      df = dy ⊙ g[j]     dg[j] = Σ_{t in j} dy ⊙ f
extension Tape {
    /// A residual update through a gate for each jet: y = x + gate ⊙ branch.
    ///
    /// - Parameters:
    ///   - modulations: `[jets, blocks · channels]`.
    ///   - gate: the block of modulations that is the gate.
    package func gatedResidual(
        _ x: Variable, _ branch: Variable, modulations: Variable, gate: Int, offsets: Offsets
    ) -> Variable {
        invariant(x.shape == branch.shape, "a branch of shape \(branch.shape) cannot join \(x.shape)")
        let (tokens, channels) = (x.value.rows, x.value.columns)
        checkModulations(modulations, blocks: gate..<gate + 1, of: channels, offsets, tokens)
        let stride = modulations.value.columns
        let y = Tensor(shape: x.shape)
        parallel(offsets.jets) { jets in
            for jet in jets where !offsets[jet].isEmpty {
                let first = offsets[jet].lowerBound * channels
                ck_residual(
                    y.pointer + first, x.value.pointer + first, branch.value.pointer + first,
                    modulations.value.pointer + jet * stride + gate * channels, Int64(offsets[jet].count),
                    Int64(channels))
            }
        }
        return record("gated residual", y, from: [x, branch, modulations]) { dy in
            let dbranch = Tensor(shape: dy.shape)
            let sums =
                modulations.requiresGradient
                ? modulations.gradientTarget().zeroedIfNew() : Tensor(repeating: 0, shape: modulations.shape)
            parallel(offsets.jets) { jets in
                for jet in jets where !offsets[jet].isEmpty {
                    let first = offsets[jet].lowerBound * channels
                    let place = jet * stride + gate * channels
                    ck_residual_backward(
                        dbranch.pointer + first, sums.pointer + place, dy.pointer + first,
                        branch.value.pointer + first, modulations.value.pointer + place,
                        Int64(offsets[jet].count), Int64(channels))
                }
            }
            x.add(gradient: dy)
            branch.add(gradient: dbranch)
        }
    }
}
