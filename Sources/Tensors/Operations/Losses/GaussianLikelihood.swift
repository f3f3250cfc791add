internal import CKernels
import System

// J jets; x = [μ | s] [J, 2], t targets [J, 1], σ = e^s with s limited to ±7
//
//   loss = Σ_j ½ ((t − μ) / σ)² + s + ½ ln 2π
//   dμ = scale · (μ − t) / σ²      ds = scale · (1 − (t − μ)² / σ²)
//
// The gradient of s is that of the limited value, also beyond the limits, so that s returns.
extension Tape {
    /// The summed negative log-likelihood of targets under normal distributions with predicted means and widths.
    ///
    /// - Parameters:
    ///   - x: the mean μ and ln σ of each target, `[targets, 2]`.
    ///   - target: `[targets, 1]`.
    ///   - scale: the weight of this sum in the total loss, for its gradient.
    package func gaussianNegativeLogLikelihood(_ x: Variable, target: Tensor, scale: Float) -> Double {
        invariant(
            x.value.columns == 2 && target.shape == [x.value.rows, 1],
            "targets of shape \(target.shape) for means and widths of \(x.shape)")
        let gradient = differentiates(x) ? Tensor(shape: x.shape) : nil
        let loss = ck_gaussian(
            gradient?.pointer, x.value.pointer, target.pointer, Tensor.logarithmOfWidthLimit, scale,
            Int64(x.value.rows))
        if let gradient { x.add(gradient: gradient) }
        lap("Gaussian likelihood")
        return loss
    }
}

extension Tensor {
    /// Largest absolute logarithm of a predicted width, in units of the targets: widths of 0.001 to 1100.
    package static let logarithmOfWidthLimit: Float = 7
}
