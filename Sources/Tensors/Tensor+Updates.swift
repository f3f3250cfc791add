import Foundation
internal import CKernels

extension Tensor {
    /// One AdamW update of flat buffers in a single pass; `update` counts from 1.
    package static func adamW(
        parameters: Tensor, gradients: Tensor, firstMoment: Tensor, secondMoment: Tensor, gradientScale: Float,
        learningRate: Double, beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double, update: Int
    ) {
        let correction1 = Float(1 - pow(beta1, Double(update)))
        let correction2 = Float(1 - pow(beta2, Double(update)))
        parallel(parameters.count, grain: elementGrain) { range in
            let i = range.lowerBound
            ck_adamw(
                parameters.pointer + i, firstMoment.pointer + i, secondMoment.pointer + i, gradients.pointer + i,
                gradientScale, Float(learningRate), Float(beta1), Float(beta2), Float(epsilon), Float(weightDecay),
                correction1, correction2, Int64(range.count))
        }
    }

    /// Σ x², in double.
    public var sumOfSquares: Double {
        let from = pointer
        return parallelSum(count, grain: elementGrain) { ck_sum_of_squares(from + $0.lowerBound, Int64($0.count)) }
    }

    /// Multiplies every element, in place.
    public func scale(by factor: Float) {
        let to = pointer
        parallel(count, grain: elementGrain) { ck_scale(to + $0.lowerBound, factor, Int64($0.count)) }
    }
}
