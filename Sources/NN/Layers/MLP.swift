import System
import Tensors

/// Multi-layer perceptron applied to every row: linear maps, and between consecutive ones an activation, optionally a
/// layer norm, and dropout:
///
///     h ← dropout(norm(activation(W h + b)))        in every hidden layer
package struct MLP {
    /// Form of the hidden layers.
    package struct Form: Sendable, Equatable {
        package var activation: Activation
        /// True for a layer norm after each activation.
        package var hasNorm: Bool
        /// Dropout rate at the end of each hidden layer.
        package var dropout: Float

        package init(_ activation: Activation, hasNorm: Bool = false, dropout: Float = 0) {
            self.activation = activation
            self.hasNorm = hasNorm
            self.dropout = dropout
        }
    }

    private let layers: [Linear]
    private let norms: [LayerNorm]
    private let dropouts: [Dropout]
    private let activation: Activation

    /// - Parameters:
    ///   - widths: the numbers of channels of the input, of each hidden layer and of the output.
    ///   - dropoutPlace: first of the dropout places, one for each hidden layer (`TokenKeys`).
    package init(widths: [Int], form: Form, dropoutPlace: Int = 0, in scope: ParameterScope) {
        invariant(widths.count >= 2, "a perceptron needs an input width and an output width")
        layers = zip(widths, widths.dropFirst()).enumerated().map { [last = widths.count - 2] layer, widths in
            let scope = layer > 0 && layer < last ? scope.hidden : scope
            return Linear(inputs: widths.0, outputs: widths.1, in: scope.scope("layers.\(layer)"))
        }
        let hidden = widths.dropFirst().dropLast()
        norms =
            form.hasNorm
            ? hidden.enumerated().map { LayerNorm(width: $1, in: scope.scope("norms.\($0)")) } : []
        dropouts = hidden.indices.map { Dropout(rate: form.dropout, place: dropoutPlace + $0 - hidden.startIndex) }
        activation = form.activation
    }

    /// `[tokens, inputs]` to `[tokens, outputs]`.
    ///
    /// - Parameter keys: random numbers of dropout, one key for each token; nil for no dropout.
    package func callAsFunction(_ x: Variable, keys: TokenKeys? = nil, on tape: Tape) -> Variable {
        var h = layers[0](x, on: tape)
        for (layer, linear) in layers.dropFirst().enumerated() {
            h = activation(h, on: tape)
            if !norms.isEmpty { h = norms[layer](h, on: tape) }
            h = linear(dropouts[layer](h, keys: keys, on: tape), on: tape)
        }
        return h
    }
}
