import Foundation
internal import CKernels

extension Tensor {
    /// One AdamW update of flat buffers in a single pass; `update` counts from 1.
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

    /// Σ x², in double.
    package var sumOfSquares: Double {
        let from = pointer
        return parallelSum(count, grain: elementGrain) { ck_sum_of_squares(from + $0.lowerBound, Int64($0.count)) }
    }
}
