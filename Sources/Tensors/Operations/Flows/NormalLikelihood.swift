import Foundation

// T tokens, F features; state = [z | l] [T, F + 1], l = ln |det| of the map to z
//
//   loss = Σ_t ½ Σ_f z² + F/2 ln 2π − l
//   dz = scale · z      dl = −scale
extension Tape {
    /// The summed negative log-likelihood of data that a flow has mapped to standard normal numbers.
    ///
    /// - Parameters:
    ///   - state: features and the logarithm of the determinant, `[tokens, features + 1]`.
    ///   - scale: the weight of this sum in the total loss, for its gradient.
    package func normalNegativeLogLikelihood(_ state: Variable, scale: Float) -> Double {
        let gradient = differentiates(state) ? Tensor(shape: state.shape) : nil
        let loss = -state.value.normalLogLikelihoods.reduce(0, +)
        if let gradient {
            let features = state.value.columns - 1
            let (from, to) = (state.value.pointer, gradient.pointer)
            for row in 0..<state.value.rows {
                let first = row * (features + 1)
                for i in first..<first + features { to[i] = scale * from[i] }
                to[first + features] = -scale
            }
            state.add(gradient: gradient)
        }
        lap("likelihood of the flow")
        return loss
    }
}

extension Tensor {
    /// The log-density of every row `[z | ln |det|]`, where z has a standard normal distribution.
    package var normalLogLikelihoods: [Double] {
        let features = columns - 1
        let constant = Double(features) / 2 * log(2 * Double.pi)
        return (0..<rows).map { row in
            let values = pointer + row * (features + 1)
            var squares = 0.0
            for i in 0..<features { squares += Double(values[i]) * Double(values[i]) }
            return Double(values[features]) - squares / 2 - constant
        }
    }
}
