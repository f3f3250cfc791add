internal import CKernels

extension Tensor {
    /// One Lion step on flat buffers in a single pass (Chen et al., arXiv:2302.06675):
    ///
    ///     g ← gradientScale · g
    ///     p ← (1 − lr · λ) p − lr sign(β₁ m + (1 − β₁) g)      m ← β₂ m + (1 − β₂) g
    package static func lion(
        parameters: Tensor, gradients: Tensor, momentum: Tensor, gradientScale: Float, learningRate: Double,
        beta1: Double, beta2: Double, weightDecay: Double
    ) {
        let constants = ck_lion_constants(
            gradient_scale: gradientScale, decay: Float(1 - learningRate * weightDecay), step: Float(learningRate),
            beta1: Float(beta1), one_minus_beta1: Float(1 - beta1), beta2: Float(beta2),
            one_minus_beta2: Float(1 - beta2))
        parallel(parameters.count, grain: elementGrain) { range in
            let i = range.lowerBound
            ck_lion(
                parameters.pointer + i, momentum.pointer + i, gradients.pointer + i, constants, Int64(range.count))
        }
    }
}
