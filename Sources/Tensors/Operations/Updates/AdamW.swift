internal import CKernels
import Foundation

extension Tensor {
    /// One AdamW step on flat buffers in a single pass (Loshchilov and Hutter, arXiv:1711.05101):
    ///
    ///     g ← gradientScale · g      m ← β₁ m + (1 − β₁) g      v ← β₂ v + (1 − β₂) g²
    ///     p ← (1 − lr · λ) p − lr m̂ / (√v̂ + ε),      m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ), t = update ≥ 1
    package static func adamW(
        parameters: Tensor, gradients: Tensor, firstMoment: Tensor, secondMoment: Tensor, gradientScale: Float,
        learningRate: Double, beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double, update: Int
    ) {
        let constants = ck_adamw_constants(
            gradient_scale: gradientScale, decay: Float(1 - learningRate * weightDecay),
            step: Float(learningRate / (1 - pow(beta1, Double(update)))),
            root: Float(1 / (1 - pow(beta2, Double(update))).squareRoot()), one_minus_beta1: Float(1 - beta1),
            beta2: Float(beta2), one_minus_beta2: Float(1 - beta2), epsilon: Float(epsilon))
        parallel(parameters.count, grain: elementGrain) { range in
            let i = range.lowerBound
            ck_adamw(
                parameters.pointer + i, firstMoment.pointer + i, secondMoment.pointer + i, gradients.pointer + i,
                constants, Int64(range.count))
        }
    }
}
