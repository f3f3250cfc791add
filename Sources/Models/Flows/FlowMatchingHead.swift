import NN
import System
import Tensors

/// Conditional flow matching of single constituents: a perceptron v(x, t, condition) for the velocity of the features.
///
/// Its input is the concatenation of features, encoded time and condition; every hidden layer is a linear map, SiLU and
/// a layer norm.
package struct FlowMatchingHead {
    /// Hyperparameters.
    package struct Shape: Sendable, Equatable {
        /// Number of features.
        package var features: Int
        /// Channels of the condition.
        package var condition: Int
        /// Channels of the hidden layers.
        package var width: Int
        /// Number of hidden layers.
        package var layers: Int
        /// Number of cosines that encode the time.
        package var timeFeatures: Int

        package init(features: Int, condition: Int, width: Int = 256, layers: Int = 3, timeFeatures: Int = 16) {
            self.features = features
            self.condition = condition
            self.width = width
            self.layers = layers
            self.timeFeatures = timeFeatures
        }
    }

    package let shape: Shape
    private let hidden: [(linear: Linear, norm: LayerNorm)]
    private let output: Linear

    package init(_ shape: Shape, in scope: ParameterScope) {
        invariant(shape.layers >= 1, "the head needs a hidden layer, found \(shape.layers)")
        self.shape = shape
        hidden = (0..<shape.layers).map { layer in
            let scope = (layer == 0 ? scope : scope.hidden).scope("layers.\(layer)")
            let inputs = layer == 0 ? shape.features + shape.timeFeatures + shape.condition : shape.width
            return (
                Linear(inputs: inputs, outputs: shape.width, in: scope.scope("linear")),
                LayerNorm(width: shape.width, in: scope.scope("norm"))
            )
        }
        output = Linear(inputs: shape.width, outputs: shape.features, in: scope.scope("output"))
    }

    /// dx/dt at x `[tokens, features]`, computed in single precision.
    ///
    /// - Parameters:
    ///   - times: one for each token.
    ///   - condition: `[tokens, condition]`.
    package func velocity(at x: Variable, times: [Float], condition: Variable, on tape: Tape) -> Variable {
        let time = Variable(constant: timeEncoding(times, features: shape.timeFeatures))
        return tape.inSinglePrecision {
            var h = tape.concatenateColumns([x, time, condition])
            for (linear, norm) in hidden { h = norm(tape.silu(linear(h, on: tape)), on: tape) }
            return output(h, on: tape)
        }
    }

    /// Summed squared error of the velocity on the path from data to noise, both `[tokens, features]`.
    ///
    /// - Parameters:
    ///   - times: one for each token.
    ///   - condition: `[tokens, condition]`.
    ///   - scale: factor of this sum in the total loss.
    package func loss(
        _ data: Tensor, noise: Tensor, times: [Float], condition: Variable, scale: Float, on tape: Tape
    ) -> Double {
        let path = FlowMatchingPath(data: data, noise: noise, times: times)
        let velocity = velocity(
            at: Variable(constant: path.position), times: times, condition: condition, on: tape)
        return tape.mseLoss(velocity, target: path.velocity, scale: scale)
    }

    /// Integrates noise `[tokens, features]` to data. Throws `ODESolver.Failure`.
    ///
    /// - Parameter condition: `[tokens, condition]`.
    package func generate(from noise: Tensor, condition: Tensor, solver: ODESolver) throws -> Tensor {
        let condition = Variable(constant: condition)
        let singles = Offsets(counts: repeatElement(1, count: noise.rows))
        return try solver.integrate(noise, offsets: singles, from: 1, to: 0) { x, times in
            velocity(
                at: Variable(constant: x), times: times, condition: condition, on: Tape(recording: false)
            ).value
        }
    }
}
