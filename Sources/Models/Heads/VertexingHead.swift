import NN
import Tensors

/// Head for pairs of constituents: a logit that two of them come from the same vertex, symmetric in the pair.
///
///     logit(i, j) = g(|f(x_i) − f(x_j)|)      f a perceptron, g a linear map
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
        /// Form of the hidden layers of f.
        package var form: MLP.Form

        package init(
            inputs: Int, width: Int = 128, layers: Int = 3, distances: Int = 128, form: MLP.Form = .init(.silu)
        ) {
            self.inputs = inputs
            self.width = width
            self.layers = layers
            self.distances = distances
            self.form = form
        }
    }

    private let f: MLP
    private let g: Linear

    /// - Parameter dropoutPlace: first of the `layers` dropout places of this head (`TokenKeys`).
    package init(_ shape: Shape, dropoutPlace: Int = 0, in scope: ParameterScope) {
        f = MLP(
            widths: [shape.inputs] + repeatElement(shape.width, count: shape.layers) + [shape.distances],
            form: shape.form, dropoutPlace: dropoutPlace, in: scope.scope("f"))
        g = Linear(inputs: shape.distances, outputs: 1, in: scope.scope("g"))
    }

    /// Logits of all pairs i < j of each jet, `[tokens, inputs]` to `[pairs, 1]`, in the order of `Offsets.pairs`.
    ///
    /// - Parameter keys: random numbers of dropout, one key for each constituent; nil for no dropout.
    package func callAsFunction(
        _ x: Variable, offsets: Offsets, keys: TokenKeys? = nil, on tape: Tape
    ) -> Variable {
        g(tape.pairDistances(f(x, keys: keys, on: tape), offsets: offsets), on: tape)
    }
}
