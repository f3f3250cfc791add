internal import CKernels
import System

// x predictions, t targets, of one shape, d = x − t
//
//   L1:    loss = Σ |d|         dx = scale · sign(d)
//   MSE:   loss = Σ d²          dx = scale · 2 d
//   Huber: loss = Σ h(d)        dx = scale · max(−δ, min(δ, d))
//          h(d) = d²/2 for |d| ≤ δ, otherwise δ (|d| − δ/2)
extension Tape {
    /// The summed absolute difference of two tensors; `scale` is its weight in the total loss, for the gradient.
    package func l1Loss(_ x: Variable, target: Tensor, scale: Float) -> Double {
        elementLoss("L1 loss", x, target) { ck_l1($0, $1, $2, scale, $3) }
    }

    /// The absolute difference of two tensors, summed with a weight for each jet; `scale` is the weight of the sum in
    /// the total loss.
    ///
    /// - Parameters:
    ///   - weights: one for each jet.
    ///   - offsets: the rows of each jet.
    package func l1Loss(
        _ x: Variable, target: Tensor, weights: [Float], offsets: Offsets, scale: Float
    ) -> Double {
        invariant(x.shape == target.shape, "a target of shape \(target.shape) for a prediction of \(x.shape)")
        invariant(
            offsets.tokens == x.value.rows && offsets.jets == weights.count, "weights and offsets of other jets")
        let gradient = differentiates(x) ? Tensor(shape: x.shape) : nil
        var loss = 0.0
        for (jet, weight) in weights.enumerated() {
            let (first, count) = (offsets[jet].lowerBound * x.value.columns, offsets[jet].count * x.value.columns)
            loss +=
                Double(weight)
                * ck_l1(
                    gradient.map { $0.pointer + first }, x.value.pointer + first, target.pointer + first,
                    scale * weight, Int64(count))
        }
        if let gradient { x.add(gradient: gradient) }
        lap("L1 loss")
        return loss
    }

    /// The summed squared difference of two tensors; `scale` is its weight in the total loss, for the gradient.
    package func mseLoss(_ x: Variable, target: Tensor, scale: Float) -> Double {
        elementLoss("squared error", x, target) { ck_mse($0, $1, $2, scale, $3) }
    }

    /// The summed Huber loss of two tensors: quadratic up to the difference `delta` (> 0), then linear; `scale` is its
    /// weight in the total loss, for the gradient.
    package func huberLoss(_ x: Variable, target: Tensor, delta: Float, scale: Float) -> Double {
        elementLoss("Huber loss", x, target) { ck_huber($0, $1, $2, delta, scale, $3) }
    }

    private func elementLoss(
        _ name: String, _ x: Variable, _ target: Tensor,
        _ kernel: (UnsafeMutablePointer<Float>?, UnsafePointer<Float>, UnsafePointer<Float>, Int64) -> Double
    ) -> Double {
        invariant(x.shape == target.shape, "a target of shape \(target.shape) for a prediction of \(x.shape)")
        let gradient = differentiates(x) ? Tensor(shape: x.shape) : nil
        let loss = parallelSum(x.value.count, grain: elementGrain) { range in
            kernel(
                gradient.map { $0.pointer + range.lowerBound }, x.value.pointer + range.lowerBound,
                target.pointer + range.lowerBound, Int64(range.count))
        }
        if let gradient { x.add(gradient: gradient) }
        lap(name)
        return loss
    }
}
