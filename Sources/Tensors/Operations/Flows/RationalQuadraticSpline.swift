internal import CKernels
import System

// T tokens, F features, n transformed features, K bins, B bound; x_k, y_k, d_k: the knots and the derivatives
// there; in bin k: w = x_{k+1} − x_k, h = y_{k+1} − y_k, s = h / w, t = (x − x_k) / w, q = t (1 − t)
//
//   y = y_k + h (s t² + d_k q) / (s + (d_k + d_{k+1} − 2s) q)             inside ± B;  y = x outside
//   dy/dx = s² (d_{k+1} t² + 2 s q + d_k (1 − t)²) / (s + (d_k + d_{k+1} − 2s) q)²
//   x_k = 2B Σ_{i<k} (w_min + (1 − K w_min) softmax(a u)_i) − B           y_k likewise, from v
//   d_k = d_min + softplus(r_k)    for 0 < k < K                          d_0 = d_K = 1
//   state = [x | l] [T, F + 1]     l ← l + Σ ln dy/dx
//   parameters = [u | v | r] [n, 3K − 1] for each token, or shared by all

/// Shape and bounds of monotone rational-quadratic splines with linear tails (Durkan et al., arXiv:1906.04032).
package struct SplineForm: Sendable, Equatable {
    /// The largest supported number of bins.
    package static let maximumBins = Int(CK_SPLINE_BINS)

    /// The number of bins between the tails.
    package var bins: Int
    /// The splines are the identity outside ± bound.
    package var bound: Float
    /// The minimum width of a bin, as a fraction of 2 · bound.
    package var minimumWidth: Float
    /// The minimum height of a bin, as a fraction of 2 · bound.
    package var minimumHeight: Float
    /// The minimum derivative at a knot.
    package var minimumDerivative: Float

    package init(
        bins: Int = 8, bound: Float = 4, minimumWidth: Float = 1e-3, minimumHeight: Float = 1e-3,
        minimumDerivative: Float = 1e-3
    ) {
        invariant(bins >= 1 && bins <= Self.maximumBins, "a spline of \(bins) bins")
        invariant(
            Float(bins) * max(minimumWidth, minimumHeight) < 1,
            "\(bins) bins of the minimum size exceed the range of a spline")
        self.bins = bins
        self.bound = bound
        self.minimumWidth = minimumWidth
        self.minimumHeight = minimumHeight
        self.minimumDerivative = minimumDerivative
    }

    /// The number of parameters of one spline: widths, heights, and the derivatives at the inner knots.
    package var parameters: Int { 3 * bins - 1 }

    fileprivate func kernel(scale: Float) -> ck_spline {
        ck_spline(
            bins: Int32(bins), bound: bound, least_width: minimumWidth, least_height: minimumHeight,
            least_derivative: minimumDerivative, scale: scale)
    }
}

extension Tape {
    /// Transforms some features by monotone splines and adds the logarithms of their derivatives to the last column.
    ///
    /// - Parameters:
    ///   - state: features and the logarithm of the determinant, `[tokens, features + 1]`.
    ///   - features: the columns to transform, each once.
    ///   - parameters: `[tokens, features.count · form.parameters]`, or `[features.count, form.parameters]`, shared
    ///     by all tokens.
    ///   - scale: a factor of widths and heights before their softmax.
    package func rationalQuadraticSpline(
        _ state: Variable, features: [Int], parameters: Variable, form: SplineForm, scale: Float = 1
    ) -> Variable {
        let call = SplineCall(state.value, features, parameters.value, form, scale)
        let x = call.gather(state.value)
        let (y, logSlopes) = call.apply(ck_spline_forward, to: x)
        let result = call.replacing(state.value, by: y, logSlopes)
        return record("spline", result, from: [state, parameters]) { dresult in
            let dx = Tensor(shape: x.shape)
            let dy = call.gather(dresult)
            let dlog = call.logGradients(dresult)
            let direct = parameters.requiresGradient && !call.isShared
            let target =
                direct
                ? parameters.gradientTarget()
                : GradientTarget(tensor: Tensor(shape: [x.count, form.parameters]), accumulate: false)
            withExtendedLifetime((dx, dy, dlog)) {
                call.forEachPart { first, count in
                    ck_spline_backward(
                        dx.pointer + first, target.pointer + first * form.parameters, dy.pointer + first,
                        dlog.pointer + first, x.pointer + first, call.row(of: first),
                        Int64(call.period), target.accumulate ? 1 : 0, call.kernel, Int64(count))
                }
            }
            if parameters.requiresGradient, call.isShared {
                let sums = Tensor(repeating: 0, shape: parameters.shape)
                withExtendedLifetime(target.tensor) {
                    ck_column_sum(sums.pointer, target.pointer, Int64(call.tokens), Int64(sums.count))
                }
                parameters.add(gradient: sums)
            }
            guard state.requiresGradient else { return }
            state.add(gradient: call.replacing(dresult, by: dx))
        }
    }
}

extension Tensor {
    /// The inverse of `Tape.rationalQuadraticSpline`: the state before it, with its logarithm of the determinant.
    package func invertingSpline(
        features: [Int], parameters: Tensor, form: SplineForm, scale: Float = 1
    ) -> Tensor {
        let call = SplineCall(self, features, parameters, form, scale)
        let (x, logSlopes) = call.apply(ck_spline_inverse, to: call.gather(self))
        return call.replacing(self, by: x, logSlopes)
    }
}

/// The fewest values for which another thread pays off.
private let splineGrain = 512

/// The checked arguments of a spline, and the copies between states and the values to transform.
private struct SplineCall {
    let features: [Int]
    let parameters: Tensor
    let kernel: ck_spline
    let tokens: Int
    /// Columns of the state.
    let columns: Int
    /// The number of rows of parameters, after which they repeat.
    let period: Int

    init(_ state: Tensor, _ features: [Int], _ parameters: Tensor, _ form: SplineForm, _ scale: Float) {
        (tokens, columns) = (state.rows, state.columns)
        let count = features.count
        invariant(
            features.allSatisfy { $0 >= 0 && $0 < state.columns - 1 } && Set(features).count == count,
            "\(features) are not distinct features of a state of \(state.columns) columns")
        let all = count * form.parameters
        let isShared = parameters.shape == [count, form.parameters] && parameters.shape != [state.rows, all]
        invariant(
            isShared || parameters.shape == [state.rows, all],
            "parameters of shape \(parameters.shape) for \(count) splines of \(state.rows) tokens")
        period = isShared ? count : state.rows * count
        (self.features, self.parameters, kernel) = (features, parameters, form.kernel(scale: scale))
    }

    /// True if all tokens share the parameters.
    var isShared: Bool { period != tokens * features.count }

    /// The parameters of a value; for shared parameters the index must be a multiple of the period.
    func row(of value: Int) -> UnsafePointer<Float> {
        UnsafePointer(parameters.pointer) + (isShared ? 0 : value * Int(3 * kernel.bins - 1))
    }

    /// Runs `body(first value, number of values)` in parallel, on the values of whole tokens.
    func forEachPart(_ body: (Int, Int) -> Void) {
        let count = features.count
        parallel(tokens, grain: max(1, splineGrain / max(1, count))) {
            body($0.lowerBound * count, $0.count * count)
        }
    }

    /// The features to transform, one row for each token.
    func gather(_ state: Tensor) -> Tensor {
        let result = Tensor(shape: [tokens, features.count])
        for token in 0..<tokens {
            for (i, feature) in features.enumerated() {
                result.pointer[token * features.count + i] = state.pointer[token * columns + feature]
            }
        }
        return result
    }

    /// The gradient of the last column, repeated for every transformed value.
    func logGradients(_ gradient: Tensor) -> Tensor {
        let result = Tensor(shape: [tokens, features.count])
        for token in 0..<tokens {
            for i in features.indices {
                result.pointer[token * features.count + i] = gradient.pointer[(token + 1) * columns - 1]
            }
        }
        return result
    }

    /// A copy of the state with new features and the sum of `logSlopes` added to the last column.
    func replacing(_ state: Tensor, by values: Tensor, _ logSlopes: Tensor? = nil) -> Tensor {
        let result = state.copy()
        for token in 0..<tokens {
            let row = result.pointer + token * columns
            for (i, feature) in features.enumerated() {
                row[feature] = values.pointer[token * features.count + i]
                if let logSlopes { row[columns - 1] += logSlopes.pointer[token * features.count + i] }
            }
        }
        return result
    }

    typealias Loop = (
        UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>, UnsafePointer<Float>, UnsafePointer<Float>,
        Int64,
        ck_spline, Int64
    ) -> Void

    /// The transformed values and the logarithms of the derivatives.
    func apply(_ loop: Loop, to values: Tensor) -> (values: Tensor, logSlopes: Tensor) {
        let (result, logSlopes) = (Tensor(shape: values.shape), Tensor(shape: values.shape))
        forEachPart { first, count in
            loop(
                result.pointer + first, logSlopes.pointer + first, values.pointer + first, row(of: first),
                Int64(period), kernel, Int64(count))
        }
        return (result, logSlopes)
    }
}
