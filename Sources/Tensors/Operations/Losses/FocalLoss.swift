internal import CKernels
import System

// x logits, z the logit of the true class (x for positive targets, −x for negative ones), p = σ(z); w the weight of
// positive targets, 1 for negative ones
//
//   loss = Σ w (1 − p)^γ (−ln p)
//   dz = −w (1 − p)^γ (1 − p − γ p ln p)      dx = scale · (dz for positive, −dz for negative targets)
extension Tape {
    /// The summed focal loss of logits with binary targets (Lin et al., arXiv:1708.02002): cross-entropy with less
    /// weight on well-classified examples; γ = 0 is binary cross-entropy.
    ///
    /// - Parameters:
    ///   - logits: any shape, one value for each target.
    ///   - positiveWeight: the weight of positive targets; that of negative ones is 1.
    ///   - scale: the weight of this sum in the total loss, for its gradient.
    package func focalLoss(
        _ logits: Variable, target: [Bool], gamma: Float, positiveWeight: Float = 1, scale: Float
    ) -> Double {
        let count = logits.value.count
        invariant(target.count == count, "\(target.count) targets for \(count) logits")
        invariant(gamma >= 0 && positiveWeight >= 0, "γ or the weight is negative")
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
}
