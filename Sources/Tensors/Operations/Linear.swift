internal import CKernels

// T tokens, I inputs, O outputs
//
//   y = x Wᵀ + b          x [T, I], W [O, I], b [O], y [T, O]
//   dx = dy W             dW = dyᵀ x             db = Σ_t dy
extension Tape {
    /// An affine map of every row: y = x Wᵀ + b, with PyTorch's layout of the weight, `[outputs, inputs]`.
    public func linear(_ x: Variable, weight: Variable, bias: Variable?) -> Variable {
        let (tokens, inputs, outputs) = (x.value.rows, x.value.columns, weight.value.rows)
        precondition(
            weight.value.columns == inputs, "a weight of shape \(weight.shape) cannot map \(inputs) channels")
        let y = Tensor(shape: [tokens, outputs])
        precondition(
            bias == nil || bias!.shape == [outputs], "a bias of shape \(bias!.shape) for \(outputs) outputs")
        parallelMultiply(
            m: tokens, n: outputs, k: inputs, Matrix(x.value), .no, Matrix(weight.value), .yes,
            from: ProductStart(row: bias.map { UnsafePointer($0.value.pointer) }), into: Matrix(y))
        count(m: tokens, n: outputs, k: inputs)
        return record("linear", y, from: [x, weight] + (bias.map { [$0] } ?? [])) { [unowned self] dy in
            if weight.requiresGradient {
                let target = weight.gradientTarget()
                parallelMultiply(
                    m: outputs, n: inputs, k: tokens, Matrix(dy), .yes, Matrix(x.value), .no, from: target.start,
                    into: Matrix(target.tensor))
                count(m: tokens, n: outputs, k: inputs)
            }
            if let bias, bias.requiresGradient {
                let from = dy.pointer
                parallelSum(rows: tokens, width: outputs, into: bias.gradientTarget().zeroedIfNew().pointer) {
                    ck_column_sum($1, from + $0.lowerBound * outputs, Int64($0.count), Int64(outputs))
                }
            }
            if x.requiresGradient {
                let target = x.gradientTarget()
                parallelMultiply(
                    m: tokens, n: inputs, k: outputs, Matrix(dy), .no, Matrix(weight.value), .no, from: target.start,
                    into: Matrix(target.tensor))
                count(m: tokens, n: outputs, k: inputs)
            }
        }
    }
}
