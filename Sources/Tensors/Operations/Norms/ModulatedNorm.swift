internal import CKernels
import System

// T tokens, J jets, C channels, M modulations; j(t) the jet of a token; a, b two of the M blocks of m [J, M C]
//
//   y = x̂ ⊙ (1 + b[j]) + a[j],  x̂ = (x − μ) / √(σ² + ε)
//   dx as that of a layer norm      da[j] = Σ_{t in j} dy       db[j] = Σ_{t in j} dy ⊙ x̂
extension Tape {
    /// A layer norm with a shift and a scale for each jet, as in a diffusion transformer (Peebles and Xie,
    /// arXiv:2212.09748): y = (x − μ) / √(σ² + ε) ⊙ (1 + scale) + shift.
    ///
    /// - Parameters:
    ///   - x: `[tokens, channels]`, single-precision.
    ///   - modulations: `[jets, blocks · channels]`.
    ///   - shift: the block of modulations that is the shift; the next one is the scale.
    ///   - output: the element type of the output, as for `layerNorm`.
    package func modulatedNorm(
        _ x: Variable, modulations: Variable, shift: Int, offsets: Offsets, epsilon: Float = 1e-6,
        output: ScalarType = .float32
    ) -> Variable {
        let (tokens, channels) = (x.value.rows, x.value.columns)
        checkModulations(modulations, blocks: shift..<shift + 2, of: channels, offsets, tokens)
        let stride = modulations.value.columns
        let y = Tensor(shape: x.shape, elementType: channels % 16 == 0 ? output : .float32)
        let statistics = Tensor(shape: [2, tokens])
        let scales = Tensor(shape: [offsets.jets, channels])
        parallel(offsets.jets) { jets in
            for jet in jets where !offsets[jet].isEmpty {
                let shiftRow = modulations.value.pointer + jet * stride + shift * channels
                let scaleRow = scales.pointer + jet * channels
                for c in 0..<channels { scaleRow[c] = 1 + shiftRow[channels + c] }
                forEachBlock(of: offsets[jet], floats: y.scratchFloats(channels)) { block in
                    let to = block.output(y, width: channels)
                    ck_layer_norm(
                        to, statistics.pointer + block.first, statistics.pointer + tokens + block.first,
                        x.value.pointer + block.first * channels, scaleRow, shiftRow, epsilon, Int64(block.count),
                        Int64(channels))
                    block.store(to, y, width: channels)
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
                    forEachBlock(of: offsets[jet], floats: dy.scratchFloats(channels)) { block in
                        let dy = block.read(dy, width: channels)
                        ck_layer_norm_backward(
                            target.pointer + block.first * channels, dshift + channels, dshift, dy,
                            x.value.pointer + block.first * channels, statistics.pointer + block.first,
                            statistics.pointer + tokens + block.first, scales.pointer + jet * channels,
                            target.accumulate ? 1 : 0, Int64(block.count), Int64(channels))
                    }
                }
            }
        }
    }

    /// Checks that modulations have the given blocks, one row for each jet, and the offsets one row for each token.
    func checkModulations(
        _ modulations: Variable, blocks: Range<Int>, of channels: Int, _ offsets: Offsets, _ tokens: Int
    ) {
        let columns = modulations.value.columns
        invariant(offsets.tokens == tokens, "offsets of \(offsets.tokens) tokens for \(tokens) rows")
        invariant(
            modulations.value.rows == offsets.jets,
            "\(modulations.value.rows) modulations for \(offsets.jets) jets")
        invariant(
            blocks.lowerBound >= 0 && blocks.upperBound * channels <= columns,
            "modulations of \(columns) columns have no blocks \(blocks) of \(channels) channels")
    }
}
