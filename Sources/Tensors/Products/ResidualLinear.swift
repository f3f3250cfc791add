internal import CKernels
import System

// T tokens, I inputs, O outputs
//
//   y = x + s ⊙ (a Wᵀ + b)      a [T, I], W [O, I], b, s [O], x, y [T, O]
//   dx = dy     da = (s ⊙ dy) W
//   With V = diag(s) W and c = s ⊙ b:   dV = dyᵀ a     dc = Σ_t dy
//   dW = diag(s) dV             db = s ⊙ dc             ds = Σ_i dV ⊙ W + dc ⊙ b
extension Tape {
    /// An affine map at the end of a residual branch, with an optional LayerScale (Touvron et al., arXiv:2103.17239):
    /// y = x + scale ⊙ (a Wᵀ + b).
    ///
    /// x, b and the scale are applied to the sums of the product: the output of the branch is never stored by itself.
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
            Factor(branch), .forward(weight, type), into: y,
            epilogue: Epilogue(addend: x.value, bias: bias.value, scale: scale?.value))
        let leaves = [x, a, weight, bias] + (scale.map { [$0] } ?? [])
        return record("residual linear", y, from: leaves) { [unowned self] gradient in
            if a.requiresGradient {
                let dbranch =
                    scale.map { gradient.scaledColumns(by: $0.value, type) } ?? gradient.converted(to: type)
                multiplyGradient(dbranch, by: weight, to: a)
            }
            if weight.requiresGradient || bias.requiresGradient || scale?.requiresGradient == true {
                let drow = Tensor(repeating: 0, shape: [outputs])
                gradient.addColumnSum(to: drow)
                addParameterGradients(
                    dy: gradient.converted(to: type), drow: drow, branch, weight: weight, bias: bias, scale: scale)
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

    private func multiplied(_ a: Tensor, _ b: Tensor) -> Tensor {
        let result = Tensor(shape: a.shape)
        for i in 0..<a.count { result.pointer[i] = a.pointer[i] * b.pointer[i] }
        return result
    }
}

extension Tensor {
    /// scale ⊙ x for a single-precision matrix x, in an element type.
    fileprivate func scaledColumns(by scale: Tensor, _ type: ScalarType) -> Tensor {
        let result = Tensor(shape: shape, elementType: type)
        parallel(rows, grain: max(1, elementGrain / columns)) { part in
            let (first, rows) = (part.lowerBound * columns, Int64(part.count))
            if type == .bfloat16 {
                ck_narrow_scaled(result.bfloat16Pointer + first, pointer + first, scale.pointer, rows, Int64(columns))
            } else {
                ck_scale_columns(result.pointer + first, pointer + first, scale.pointer, rows, Int64(columns))
            }
        }
        return result
    }
}
