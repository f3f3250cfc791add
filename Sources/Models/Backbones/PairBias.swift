import NN
import System
import Tensors

/// Hyperparameters of the bias of pairs.
package struct PairShape: Sendable, Equatable {
    /// The features of a pair, in the order of the network's input.
    package var features: [PairFeature]
    /// Widths of the hidden layers.
    package var widths: [Int]

    /// By default all four features and the widths of the Particle Transformer (arXiv:2202.03772).
    package init(features: [PairFeature] = PairFeature.allCases, widths: [Int] = [64, 64, 64]) {
        self.features = features
        self.widths = widths
    }
}

/// Bias of the attention scores of each pair of constituents (Qu et al., arXiv:2202.03772): a perceptron of the
/// features of the pair with one output for each head, with GELU between its maps and without norms.
///
/// It is computed once for all blocks. The features are symmetric, and so is the bias: the pairs i ≤ j suffice.
struct PairBias {
    private let features: [PairFeature]
    private let weights: [ParameterSlot]
    private let biases: [ParameterSlot]
    private let heads: Int

    init(_ shape: PairShape, heads: Int, in scope: ParameterScope) {
        (features, self.heads) = (shape.features, heads)
        let widths = [shape.features.count] + shape.widths + [heads]
        var (weights, biases) = ([ParameterSlot](), [ParameterSlot]())
        for (layer, (inputs, outputs)) in zip(widths, widths.dropFirst()).enumerated() {
            let scope = scope.scope("layers.\(layer)")
            let initialization = Initialization.linear(inputs: inputs)
            weights.append(scope.parameter("weight", shape: [outputs, inputs], initialization))
            biases.append(scope.parameter("bias", shape: [outputs], initialization))
        }
        (self.weights, self.biases) = (weights, biases)
    }

    /// The bias of the pairs i ≤ j of each jet, `[pairs, heads]`.
    ///
    /// - Parameter momenta: `Constituents.momenta`.
    func callAsFunction(_ momenta: Tensor, offsets: Offsets, on tape: Tape) -> Variable {
        let pairs = Tensor.pairFeatures(features, of: momenta, offsets: offsets)
        let parameters = (weights + biases).map { $0.variable! }
        return tape.recomputed("pair network", of: pairs, parameters: parameters, outputs: heads) { tape, x in
            var h = x
            for layer in weights.indices {
                if layer > 0 { h = tape.gelu(h) }
                let isLast = layer == weights.count - 1
                h = tape.linear(
                    h, weight: weights[layer].variable, bias: biases[layer].variable,
                    output: isLast ? .float32 : tape.activationType)
            }
            return h
        }
    }
}
