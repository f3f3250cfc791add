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
    /// - Parameter rounded: whether the output, with its gradient, may be kept as bfloat16 numbers where products are
    ///   of these: one linear map alone then reads it.
    package func layerNorm(
        _ x: Variable, weight: Variable, bias: Variable, epsilon: Float = 1e-5, rounded: Bool = false
    ) -> Variable {
        let (tokens, channels) = (x.value.rows, x.value.columns)
        invariant(
            weight.shape == [channels] && bias.shape == [channels],
            "a norm of shape \(weight.shape) cannot take \(channels) channels")
        let isNarrow = rounded && multipliesNarrow(inputs: channels, outputs: channels)
        let y = Values(shape: x.shape, isNarrow: isNarrow)
        let statistics = Tensor(shape: [2, tokens])
        let (mean, rstd) = (statistics.pointer, statistics.pointer + tokens)
        parallel(tokens, grain: elementGrain / channels) { rows in
            y.writeRows(rows) { first, count, to in
                ck_layer_norm(
                    to, mean + first, rstd + first, x.value.pointer + first * channels, weight.value.pointer,
                    bias.value.pointer, epsilon, Int64(count), Int64(channels))
            }
        }
        return record("layer norm", y, from: [x, weight, bias]) { dy in
            let target = x.requiresGradient
                ? x.gradientTarget() : GradientTarget(tensor: Tensor(shape: x.shape), accumulate: false)
            let sums = Tensor(repeating: 0, shape: [2, channels])
            parallelSum(rows: tokens, width: 2 * channels, into: sums.pointer) { rows, sums in
                dy.readRows(rows) { first, count, dy in
                    ck_layer_norm_backward(
                        target.pointer + first * channels, sums, sums + channels, dy,
                        x.value.pointer + first * channels, statistics.pointer + first,
                        statistics.pointer + tokens + first, weight.value.pointer, target.accumulate ? 1 : 0,
                        Int64(count), Int64(channels))
                }
            }
            weight.add(gradient: sums.slice(0..<channels, shape: [channels]))
            bias.add(gradient: sums.slice(channels..<2 * channels, shape: [channels]))
        }
    }
}
