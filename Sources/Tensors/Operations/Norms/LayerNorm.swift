internal import CKernels
import System

// T tokens, C channels; μ, σ² mean and variance of a row; x̂ = (x − μ) / √(σ² + ε); g = dy ⊙ w
//
//   y = x̂ ⊙ w + b
//   dx = (g − mean(g) − x̂ mean(g ⊙ x̂)) / √(σ² + ε)      dw = Σ_t dy ⊙ x̂      db = Σ_t dy
extension Tape {
    /// Normalises every row to mean 0 and variance 1, then scales and shifts each channel (Ba et al.,
    /// arXiv:1607.06450): y = (x − μ) / √(σ² + ε) ⊙ weight + bias.
    ///
    /// - Parameters:
    ///   - x: `[tokens, channels]`, of either element type.
    ///   - output: the element type of the output. `bfloat16` is ignored where the channels are not whole vectors,
    ///     since no product could read it as it is.
    package func layerNorm(
        _ x: Variable, weight: Variable, bias: Variable, epsilon: Float = 1e-5, output: ScalarType = .float32
    ) -> Variable {
        let (tokens, channels) = (x.value.rows, x.value.columns)
        invariant(
            weight.shape == [channels] && bias.shape == [channels],
            "a norm of shape \(weight.shape) cannot take \(channels) channels")
        let y = Tensor(shape: x.shape, elementType: channels % 16 == 0 ? output : .float32)
        let statistics = Tensor(shape: [2, tokens])
        let (mean, rstd) = (statistics.pointer, statistics.pointer + tokens)
        let floats = x.value.scratchFloats(channels) + y.scratchFloats(channels)
        parallel(tokens, grain: elementGrain / channels) { rows in
            forEachBlock(of: rows, floats: floats) { block in
                let from = block.read(x.value, width: channels)
                let to = block.output(y, width: channels)
                ck_layer_norm(
                    to, mean + block.first, rstd + block.first, from, weight.value.pointer, bias.value.pointer, epsilon,
                    Int64(block.count), Int64(channels))
                block.store(to, y, width: channels)
            }
        }
        return record("layer norm", y, from: [x, weight, bias]) { dy in
            let target =
                x.requiresGradient
                ? x.gradientTarget(firstShare: .bfloat16)
                : GradientTarget(tensor: Tensor(shape: x.shape), accumulate: false)
            let (dx, accumulate): (Tensor, Int32) = (target.tensor, target.accumulate ? 1 : 0)
            let (mean, rstd) = (statistics.pointer, statistics.pointer + tokens)
            let sums = Tensor(repeating: 0, shape: [2, channels])
            let floats =
                x.value.scratchFloats(channels) + dy.scratchFloats(channels) + dx.scratchFloats(channels)
            parallelSum(rows: tokens, width: 2 * channels, into: sums.pointer) { rows, sums in
                forEachBlock(of: rows, floats: floats) { block in
                    let (from, dy) = (block.read(x.value, width: channels), block.read(dy, width: channels))
                    let to = block.output(dx, width: channels)
                    ck_layer_norm_backward(
                        to, sums, sums + channels, dy, from, mean + block.first, rstd + block.first,
                        weight.value.pointer, accumulate, Int64(block.count), Int64(channels))
                    block.store(to, dx, width: channels)
                }
            }
            weight.add(gradient: sums.slice(0..<channels, shape: [channels]))
            bias.add(gradient: sums.slice(channels..<2 * channels, shape: [channels]))
        }
    }
}
