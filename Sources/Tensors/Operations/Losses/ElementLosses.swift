internal import CKernels
import System

// x predictions, t targets, of one shape
//
//   L1:  loss = Σ |x − t|       dx = scale · sign(x − t)
//   MSE: loss = Σ (x − t)²      dx = scale · 2 (x − t)
extension Tape {
    /// The summed absolute difference of two tensors; `scale` is its weight in the total loss, for the gradient.
    package func l1Loss(_ x: Variable, target: Tensor, scale: Float) -> Double {
        elementLoss(x, target) { ck_l1($0, $1, $2, scale, $3) }
    }

    /// The summed squared difference of two tensors; `scale` is its weight in the total loss, for the gradient.
    package func mseLoss(_ x: Variable, target: Tensor, scale: Float) -> Double {
        elementLoss(x, target) { ck_mse($0, $1, $2, scale, $3) }
    }

    private func elementLoss(
        _ x: Variable, _ target: Tensor,
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
        lap("L1 or MSE")
        return loss
    }
}
