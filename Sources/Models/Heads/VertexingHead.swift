import NN
import Tensors

/// Head for pairs of constituents: a logit that two of them come from the same vertex, symmetric in the pair.
///
///     logit(i, j) = g(|f(x_i) − f(x_j)|)      f a perceptron with SiLU, g a linear map
package struct VertexingHead {
    /// Hyperparameters.
    package struct Shape: Sendable, Equatable {
        /// Channels of the encoder's outputs.
        package var inputs: Int
        /// Channels of the hidden layers of f.
        package var width: Int
        /// Number of hidden layers of f.
        package var layers: Int
        /// Channels of the output of f, whose distances are the input of g.
        package var distances: Int

        package init(inputs: Int, width: Int = 128, layers: Int = 3, distances: Int = 128) {
            self.inputs = inputs
            self.width = width
            self.layers = layers
            self.distances = distances
        }
    }

    private let f: MLP
    private let g: Linear

    package init(_ shape: Shape, in scope: ParameterScope) {
        f = MLP(
            widths: [shape.inputs] + repeatElement(shape.width, count: shape.layers) + [shape.distances],
            activation: .silu, in: scope.scope("f"))
        g = Linear(inputs: shape.distances, outputs: 1, in: scope.scope("g"))
    }

    /// Logits of all pairs i < j of each jet, `[tokens, inputs]` to `[pairs, 1]`, in the order of `Offsets.pairs`.
    package func callAsFunction(_ x: Variable, offsets: Offsets, on tape: Tape) -> Variable {
        g(tape.pairDistances(f(x, on: tape), offsets: offsets), on: tape)
    }
}
