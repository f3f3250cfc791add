internal import CKernels
import System

// T tokens, J jets, C channels, M modulations; j(t) the jet of a token; a, b, g three of the M blocks of m
// [J, M C]
//
//   modulated norm:   y = x̂ ⊙ (1 + b[j]) + a[j],  x̂ = (x − μ) / √(σ² + ε)
//                     dx as that of a layer norm      da[j] = Σ_{t in j} dy       db[j] = Σ_{t in j} dy ⊙ x̂
//   gated residual:   y = x + g[j] ⊙ f
//                     dx = dy      df = dy ⊙ g[j]     dg[j] = Σ_{t in j} dy ⊙ f
extension Tape {
    /// A layer norm whose shift and scale belong to the jet, as in a diffusion transformer (Peebles and Xie,
    /// arXiv:2212.09748): y = (x − μ) / √(σ² + ε) ⊙ (1 + scale) + shift.
    ///
    /// - Parameters:
    ///   - modulations: `[jets, blocks · channels]`.
    ///   - shift: which block of modulations is the shift; the next is the scale.
    ///   - rounded: as for a layer norm.
    package func modulatedNorm(
        _ x: Variable, modulations: Variable, shift: Int, offsets: Offsets, epsilon: Float = 1e-6,
        rounded: Bool = false
    ) -> Variable {
        let (tokens, channels) = (x.value.rows, x.value.columns)
        let stride = checkedStride(modulations, blocks: shift..<shift + 2, of: channels, offsets, tokens)
        let isNarrow = rounded && multipliesNarrow(inputs: channels, outputs: channels)
        let y = Values(shape: x.shape, isNarrow: isNarrow)
        let statistics = Tensor(shape: [2, tokens])
        let scales = Tensor(shape: [offsets.jets, channels])
        parallel(offsets.jets) { jets in
            for jet in jets where !offsets[jet].isEmpty {
                let shiftRow = modulations.value.pointer + jet * stride + shift * channels
                let scaleRow = scales.pointer + jet * channels
                for c in 0..<channels { scaleRow[c] = 1 + shiftRow[channels + c] }
                y.writeRows(offsets[jet]) { first, count, to in
                    ck_layer_norm(
                        to, statistics.pointer + first, statistics.pointer + tokens + first,
                        x.value.pointer + first * channels, scaleRow, shiftRow, epsilon, Int64(count),
                        Int64(channels))
                }
            }
        }
        return record("modulated norm", y, from: [x, modulations]) { dy in
            let target =
                x.requiresGradient
                ? x.gradientTarget() : GradientTarget(tensor: Tensor(shape: x.shape), accumulate: false)
            let sums =
                modulations.requiresGradient
                ? modulations.gradientTarget().zeroedIfNew() : Tensor(repeating: 0, shape: modulations.shape)
            parallel(offsets.jets) { jets in
                for jet in jets where !offsets[jet].isEmpty {
                    let dshift = sums.pointer + jet * stride + shift * channels
                    dy.readRows(offsets[jet]) { first, count, dy in
                        ck_layer_norm_backward(
                            target.pointer + first * channels, dshift + channels, dshift, dy,
                            x.value.pointer + first * channels, statistics.pointer + first,
                            statistics.pointer + tokens + first, scales.pointer + jet * channels,
                            target.accumulate ? 1 : 0, Int64(count), Int64(channels))
                    }
                }
            }
        }
    }

    /// A residual update through a gate that belongs to the jet: y = x + gate ⊙ branch.
    ///
    /// - Parameters:
    ///   - modulations: `[jets, blocks · channels]`.
    ///   - gate: which block of modulations is the gate.
    package func gatedResidual(
        _ x: Variable, _ branch: Variable, modulations: Variable, gate: Int, offsets: Offsets
    ) -> Variable {
        invariant(x.shape == branch.shape, "a branch of shape \(branch.shape) cannot join \(x.shape)")
        let (tokens, channels) = (x.value.rows, x.value.columns)
        let stride = checkedStride(modulations, blocks: gate..<gate + 1, of: channels, offsets, tokens)
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

    /// The columns of modulations that fit the tokens.
    private func checkedStride(
        _ modulations: Variable, blocks: Range<Int>, of channels: Int, _ offsets: Offsets, _ tokens: Int
    ) -> Int {
        let stride = modulations.value.columns
        invariant(offsets.tokens == tokens, "offsets of \(offsets.tokens) tokens for \(tokens) rows")
        invariant(
            modulations.value.rows == offsets.jets,
            "\(modulations.value.rows) modulations for \(offsets.jets) jets")
        invariant(
            blocks.lowerBound >= 0 && blocks.upperBound * channels <= stride,
            "modulations of \(stride) columns have no blocks \(blocks) of \(channels) channels")
        return stride
    }
}
