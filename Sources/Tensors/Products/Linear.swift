import System

// T tokens, I inputs, O outputs
//
//   y = x Wᵀ + b          x [T, I], W [O, I], b [O], y [T, O]
//   dx = dy W             dW = dyᵀ x             db = Σ_t dy
extension Tape {
    /// An affine map of every row: y = x Wᵀ + b, with PyTorch's layout of the weight, `[outputs, inputs]`.
    ///
    /// - Parameters:
    ///   - x: `[tokens, inputs]`, of either element type.
    ///   - output: the element type of the output. Maps whose factors are single-precision ignore `bfloat16`.
    package func linear(
        _ x: Variable, weight: Variable, bias: Variable?, output: ScalarType = .float32
    ) -> Variable {
        let (tokens, inputs, outputs) = (x.value.rows, x.value.columns, weight.value.rows)
        invariant(
            weight.value.columns == inputs, "a weight of shape \(weight.shape) cannot map \(inputs) channels")
        invariant(
            bias == nil || bias!.shape == [outputs], "a bias of shape \(bias!.shape) for \(outputs) outputs")
        let type = factorType(inputs: inputs, outputs: outputs)
        let input = x.value.converted(to: type)
        let y = Tensor(shape: [tokens, outputs], elementType: type == .bfloat16 ? output : .float32)
        multiply(Factor(input), .forward(weight, type), into: y, epilogue: Epilogue(bias: bias?.value))
        return record("linear", y, from: [x, weight] + (bias.map { [$0] } ?? [])) { [unowned self] gradient in
            if let bias, bias.requiresGradient {
                gradient.addColumnSum(to: bias.gradientTarget().zeroedIfNew())
            }
            let dy = gradient.converted(to: type)
            if weight.requiresGradient {
                multiply(.transposed(dy), Factor(input), into: weight.gradientTarget())
            }
            multiplyGradient(dy, by: weight, to: x)
        }
    }
}
