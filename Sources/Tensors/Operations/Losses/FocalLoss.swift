internal import CKernels
import System

// z the logit of the true answer (x where it is yes, −x where it is no), p = σ(z), w the weight of a yes, or
// 1 for a no
//
//   loss = Σ w (1 − p)^γ (−ln p)
//   dz = −w (1 − p)^γ (1 − p − γ p ln p)      dx = scale · (dz where yes, −dz where no)
extension Tape {
    /// The summed focal loss of logits against yes or no (Lin et al., arXiv:1708.02002): cross-entropy in
    /// which what is known already counts little; γ = 0 is binary cross-entropy.
    ///
    /// - Parameters:
    ///   - logits: any shape, one value for each target.
    ///   - positiveWeight: what a yes counts; a no counts one.
    ///   - scale: what the gradient of this sum counts in the total loss.
    package func focalLoss(
        _ logits: Variable, target: [Bool], gamma: Float, positiveWeight: Float = 1, scale: Float
    ) -> Double {
        let count = logits.value.count
        invariant(target.count == count, "\(target.count) targets for \(count) logits")
        invariant(gamma >= 0 && positiveWeight >= 0, "a negative γ or weight")
        let gradient = differentiates(logits) ? Tensor(shape: logits.shape) : nil
        let loss = parallelSum(count, grain: elementGrain) { part in
            target.withUnsafeBufferPointer { target in
                ck_focal(
                    gradient.map { $0.pointer + part.lowerBound }, logits.value.pointer + part.lowerBound,
                    target.baseAddress! + part.lowerBound, gamma, positiveWeight, scale, Int64(part.count))
            }
        }
        if let gradient { logits.add(gradient: gradient) }
        lap(gamma == 0 ? "binary cross-entropy" : "focal loss")
        return loss
    }

    /// The summed binary cross-entropy of logits against yes or no.
    package func binaryCrossEntropy(
        _ logits: Variable, target: [Bool], positiveWeight: Float = 1, scale: Float
    ) -> Double {
        focalLoss(logits, target: target, gamma: 0, positiveWeight: positiveWeight, scale: scale)
    }
}
