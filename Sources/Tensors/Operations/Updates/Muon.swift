internal import CKernels
import System

// R rows, C columns of a matrix

extension Tensor {
    /// The momentum of Muon, in place, and the direction of its update (Jordan et al.,
    /// kellerjordan.github.io/posts/muon):
    ///
    ///     g ← gradientScale · g      m ← μ m + (1 − μ) g
    ///     u = μ m + (1 − μ) g with Nesterov's momentum, m without
    package static func muonDirection(
        gradient: Tensor, momentum: Tensor, gradientScale: Float, rate: Double, isNesterov: Bool
    ) -> Tensor {
        let direction = Tensor(shape: gradient.shape)
        let constants = ck_muon_constants(
            gradient_scale: gradientScale, momentum: Float(rate), one_minus_momentum: Float(1 - rate),
            momentum_share: isNesterov ? Float(rate) : 1, gradient_share: isNesterov ? Float(1 - rate) : 0)
        parallel(gradient.count, grain: elementGrain) { range in
            let i = range.lowerBound
            ck_muon_direction(
                direction.pointer + i, momentum.pointer + i, gradient.pointer + i, constants, Int64(range.count))
        }
        return direction
    }

    /// The matrix with all singular values moved close to 1, by Newton–Schulz iterations in single precision:
    ///
    ///     X = u / max(‖u‖, 10⁻⁷)
    ///     X ← a X + (b A + c A²) X,   A = X Xᵀ   if R ≤ C      X ← a X + X (b A + c A²),   A = Xᵀ X   if R > C
    ///
    /// with (a, b, c) = (3.4445, −4.7750, 2.0315). Five iterations take singular values from 0.01 to 1 into about
    /// 0.68 … 1.13.
    package func orthogonalized(iterations: Int = 5) -> Tensor {
        invariant(shape.count == 2, "a tensor of shape \(shape) is not a matrix")
        let (a, b, c): (Float, Float, Float) = (3.4445, -4.7750, 2.0315)
        let isTall = rows > columns
        var x = scaled(by: Float(1 / max(sumOfSquares.squareRoot(), 1e-7)))
        for _ in 0..<iterations {
            let gram = Tensor(shape: [min(rows, columns), min(rows, columns)])
            if isTall {
                MatrixProduct(.transposed(x), Factor(x), into: gram).run()
            } else {
                MatrixProduct(Factor(x), .transposed(x), into: gram).run()
            }
            let polynomial = gram.scaled(by: b)
            MatrixProduct(
                Factor(gram.scaled(by: c)), Factor(gram), into: polynomial, epilogue: Epilogue(addend: polynomial)
            ).run()
            let next = x.scaled(by: a)
            let factors = isTall ? (Factor(x), Factor(polynomial)) : (Factor(polynomial), Factor(x))
            MatrixProduct(factors.0, factors.1, into: next, epilogue: Epilogue(addend: next)).run()
            x = next
        }
        return x
    }

    private func scaled(by factor: Float) -> Tensor {
        let result = Tensor(shape: shape)
        parallel(count, grain: elementGrain) { range in
            let i = range.lowerBound
            ck_scaled(result.pointer + i, pointer + i, factor, Int64(range.count))
        }
        return result
    }

    /// self ← factor · self + share · other.
    package func scale(by factor: Float, adding other: Tensor, times share: Float) {
        invariant(other.count == count, "a sum of \(count) and \(other.count) elements")
        parallel(count, grain: elementGrain) { range in
            let i = range.lowerBound
            ck_scaled_sum(pointer + i, factor, other.pointer + i, share, Int64(range.count))
        }
    }
}
