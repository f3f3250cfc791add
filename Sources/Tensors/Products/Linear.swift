internal import CKernels
import System

// T tokens, I inputs, O outputs
//
//   y = x Wᵀ + b          x [T, I], W [O, I], b [O], y [T, O]
//   dx = dy W             dW = dyᵀ x             db = Σ_t dy
extension Tape {
    /// An affine map of every row: y = x Wᵀ + b, with PyTorch's layout of the weight, `[outputs, inputs]`.
    ///
    /// - Parameter rounded: whether the output, with its gradient, may be kept as bfloat16 numbers where the products
    ///   are of these: one operation alone then reads it, attention or SwiGLU.
    package func linear(_ x: Variable, weight: Variable, bias: Variable?, rounded: Bool = false) -> Variable {
        let (tokens, inputs, outputs) = (x.values.rows, x.values.columns, weight.value.rows)
        invariant(
            weight.value.columns == inputs, "a weight of shape \(weight.shape) cannot map \(inputs) channels")
        invariant(
            bias == nil || bias!.shape == [outputs], "a bias of shape \(bias!.shape) for \(outputs) outputs")
        let isNarrow = multipliesNarrow(inputs: inputs, outputs: outputs)
        let y = Values(shape: [tokens, outputs], isNarrow: isNarrow && rounded)
        let input = x.values.factor(isNarrow: isNarrow)
        parallelMultiply(
            m: tokens, n: outputs, k: inputs, Matrix(input), .no, Matrix(weight.value), .yes,
            from: ProductStart(row: bias.map { UnsafePointer($0.value.pointer) }), into: Matrix(y))
        count(m: tokens, n: outputs, k: inputs)
        return record("linear", y, from: [x, weight] + (bias.map { [$0] } ?? [])) { [unowned self] gradient in
            if let bias, bias.requiresGradient {
                gradient.addColumnSum(to: bias.gradientTarget().zeroedIfNew())
            }
            let dy = gradient.factor(isNarrow: isNarrow)
            if weight.requiresGradient {
                let target = weight.gradientTarget()
                parallelMultiply(
                    m: outputs, n: inputs, k: tokens, Matrix(dy), .yes, Matrix(input), .no, from: target.start,
                    into: Matrix(target.tensor))
                count(m: tokens, n: outputs, k: inputs)
            }
            if x.requiresGradient {
                multiplyGradient(dy, by: weight.value, to: x)
                count(m: tokens, n: outputs, k: inputs)
            }
        }
    }

    /// Whether a map multiplies bfloat16 numbers: whole vectors of them.
    func multipliesNarrow(inputs: Int, outputs: Int) -> Bool {
        precision == .bfloat16 && inputs % 16 == 0 && outputs % 16 == 0
    }

    /// Adds dy W to the gradient of the input of a linear map.
    func multiplyGradient(_ dy: Values, by weight: Tensor, to x: Variable) {
        func multiply(into dx: Matrix, from start: ProductStart) {
            parallelMultiply(
                m: dy.rows, n: weight.columns, k: weight.rows, Matrix(dy), .no, Matrix(weight), .no, from: start,
                into: dx)
        }
        if x.values.isNarrow {
            let target = x.narrowGradientTarget()
            if dy.isNarrow { return multiply(into: Matrix(target), from: .zero) }
            // What wrote the input did not know that this map is no whole vectors, and multiplies in single precision.
            let dx = Tensor(shape: x.shape)
            multiply(into: Matrix(dx), from: .zero)
            target.round(dx)
        } else {
            let target = x.gradientTarget()
            multiply(into: Matrix(target.tensor), from: target.start)
        }
    }
}

extension Values {
    /// Adds the sum over the rows to a tensor of single precision, `[columns]`.
    func addColumnSum(to sum: Tensor) {
        let width = columns
        parallelSum(rows: rows, width: width, into: sum.pointer) { rows, sum in
            let first = rows.lowerBound * width
            switch self {
            case .single(let tensor):
                ck_column_sum(sum, tensor.pointer + first, Int64(rows.count), Int64(width))
            case .narrow(let tensor):
                ck_narrow_column_sum(sum, tensor.pointer + first, Int64(rows.count), Int64(width))
            }
        }
    }
}
