import System
import Tensors

/// A multi-layer perceptron for every row: linear maps with an activation between each and the next.
package struct MLP {
    private let layers: [Linear]
    private let activation: Activation

    /// - Parameter widths: the channels of the input, of each hidden layer and of the output.
    package init(widths: [Int], activation: Activation = .leakyReLU(slope: 0.1), in scope: ParameterScope) {
        invariant(widths.count >= 2, "a perceptron has an input and an output")
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
