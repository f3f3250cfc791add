import System
import Tensors

/// Multi-layer perceptron applied to every row: linear maps with an activation between consecutive maps.
package struct MLP {
    private let layers: [Linear]
    private let activation: Activation

    /// - Parameter widths: the numbers of channels of the input, of each hidden layer and of the output.
    package init(widths: [Int], activation: Activation = .leakyReLU(slope: 0.1), in scope: ParameterScope) {
        invariant(widths.count >= 2, "a perceptron needs an input width and an output width")
        layers = zip(widths, widths.dropFirst()).enumerated().map { layer, widths in
            Linear(inputs: widths.0, outputs: widths.1, in: scope.scope("layers.\(layer)"))
        }
        self.activation = activation
    }

    /// `[tokens, inputs]` to `[tokens, outputs]`.
    package func callAsFunction(_ x: Variable, on tape: Tape) -> Variable {
        layers.dropFirst().reduce(layers[0](x, on: tape)) { $1(activation($0, on: tape), on: tape) }
    }
}
