internal import CKernels
import System

// T tokens, I inputs, O outputs
//
//   y = x + s ⊙ (a Wᵀ + b)      a [T, I], W [O, I], b, s [O], x, y [T, O]
//     = x + c + a Vᵀ            V = diag(s) W, c = s ⊙ b
//   dx = dy     da = dy V       dV = dyᵀ a, dc = Σ_t dy
//   dW = diag(s) dV             db = s ⊙ dc             ds = Σ_i dV ⊙ W + dc ⊙ b
extension Tape {
    /// An affine map at the end of a residual branch, with an optional LayerScale (Touvron et al., arXiv:2103.17239):
    /// y = x + scale ⊙ (a Wᵀ + b).
    ///
    /// x is the addend of the product, and the scale is multiplied into the weight, which is small: the output of the
    /// branch is never stored by itself.
    ///
    /// - Parameters:
    ///   - x: the residual, single-precision `[tokens, outputs]`.
    ///   - a: `[tokens, inputs]`, of either element type.
    package func residualLinear(
        _ x: Variable, _ a: Variable, weight: Variable, bias: Variable, scale: Variable? = nil
    ) -> Variable {
        let (tokens, inputs, outputs) = (a.value.rows, a.value.columns, weight.value.rows)
        invariant(
            weight.value.columns == inputs, "a weight of shape \(weight.shape) cannot map \(inputs) channels")
        invariant(bias.shape == [outputs], "a bias of shape \(bias.shape) for \(outputs) outputs")
        invariant(x.shape == [tokens, outputs], "a branch of \([tokens, outputs]) cannot join \(x.shape)")
        invariant(scale == nil || scale!.shape == [outputs], "a layer scale has one value for each channel")
        let type = factorType(inputs: inputs, outputs: outputs)
        let branch = a.value.converted(to: type)
        let y = Tensor(shape: x.shape)
        multiply(
            Factor(branch), .transposed(scaled(weight, by: scale)), into: y,
            epilogue: Epilogue(addend: x.value, bias: scale.map { multiplied(bias.value, $0.value) } ?? bias.value))
        let leaves = [x, a, weight, bias] + (scale.map { [$0] } ?? [])
        return record("residual linear", y, from: leaves) { [unowned self] gradient in
            let dy = gradient.converted(to: type)
            if a.requiresGradient { multiplyGradient(dy, by: scaled(weight, by: scale), to: a) }
            if weight.requiresGradient || bias.requiresGradient || scale?.requiresGradient == true {
                let drow = Tensor(repeating: 0, shape: [outputs])
                gradient.addColumnSum(to: drow)
                addParameterGradients(dy: dy, drow: drow, branch, weight: weight, bias: bias, scale: scale)
            }
            x.add(gradient: gradient)
        }
    }

    private func addParameterGradients(
        dy: Tensor, drow: Tensor, _ branch: Tensor, weight: Variable, bias: Variable, scale: Variable?
    ) {
        guard let scale else {
            if weight.requiresGradient {
                multiply(.transposed(dy), Factor(branch), into: weight.gradientTarget())
            }
            bias.add(gradient: drow)
            return
        }
        let (inputs, outputs) = (branch.columns, weight.value.rows)
        let dscaled = Tensor(shape: weight.shape)
        multiply(.transposed(dy), Factor(branch), into: dscaled)
        let dscale = multiplied(drow, bias.value)
        let target =
            weight.requiresGradient
            ? weight.gradientTarget() : GradientTarget(tensor: Tensor(shape: weight.shape), accumulate: false)
        parallel(outputs, grain: elementGrain / inputs) { rows in
            let first = rows.lowerBound * inputs
            ck_scale_rows_backward(
                target.pointer + first, dscale.pointer + rows.lowerBound, dscaled.pointer + first,
                weight.value.pointer + first, scale.value.pointer + rows.lowerBound, target.accumulate ? 1 : 0,
                Int64(rows.count), Int64(inputs))
        }
        scale.add(gradient: dscale)
        bias.add(gradient: multiplied(drow, scale.value))
    }

    /// diag(s) W. The backward pass computes it again, which is cheaper than to keep it.
    private func scaled(_ weight: Variable, by scale: Variable?) -> Tensor {
        guard let scale else { return weight.value }
        let (rows, columns) = (weight.value.rows, weight.value.columns)
        let result = Tensor(shape: weight.shape)
        parallel(rows, grain: elementGrain / columns) { part in
            let first = part.lowerBound * columns
            ck_scale_rows(
                result.pointer + first, weight.value.pointer + first, scale.value.pointer + part.lowerBound,
                Int64(part.count), Int64(columns))
        }
        return result
    }

    private func multiplied(_ a: Tensor, _ b: Tensor) -> Tensor {
        let result = Tensor(shape: a.shape)
        for i in 0..<a.count { result.pointer[i] = a.pointer[i] * b.pointer[i] }
        return result
    }
}
