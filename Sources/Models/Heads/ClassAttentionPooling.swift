import NN
import Tensors

/// Head for jets: a learned class token attends to the encoder's outputs in every layer (Touvron et al.,
/// arXiv:2103.17239), and a linear map of the token gives the output:
///
///     x ← embedding(x), c ← token
///     c ← c + attention(norm(c), x)        c ← c + feedforward(norm(c))        in every layer
///     y = output(c)
///
/// The norms of the token are optional; the embedded set and the output have none.
package struct ClassAttentionPooling {
    /// Hyperparameters.
    package struct Shape: Sendable, Equatable {
        /// Channels of the encoder's outputs.
        package var inputs: Int
        /// Channels of the output, such as classes.
        package var outputs: Int
        /// Channels of the blocks.
        package var width: Int
        /// Number of blocks.
        package var layers: Int
        /// Number of attention heads, a divisor of the width.
        package var heads: Int
        /// Ratio of the hidden width of the feed-forward network to the width.
        package var feedForwardMultiplier: Int
        /// Dropout rate of the attention weights, and of the hidden channels of the feed-forward networks.
        package var dropout: Double
        /// True if the token is normalised at the start of every residual branch.
        package var hasNorm: Bool

        /// One argument for each hyperparameter, with the defaults of version 2 (arXiv:2409.12589).
        package init(
            inputs: Int, outputs: Int, width: Int = 128, layers: Int = 2, heads: Int = 4,
            feedForwardMultiplier: Int = 1, dropout: Double = 0.2, hasNorm: Bool = true
        ) {
            self.inputs = inputs
            self.outputs = outputs
            self.width = width
            self.layers = layers
            self.heads = heads
            self.feedForwardMultiplier = feedForwardMultiplier
            self.dropout = dropout
            self.hasNorm = hasNorm
        }
    }

    private struct Layer {
        let attentionNorm: LayerNorm?
        let attention: CrossAttention
        let feedForwardNorm: LayerNorm?
        let feedForward: GatedFeedForward
    }

    private let embedding: Linear
    private let token: ParameterSlot
    private let layers: [Layer]
    private let output: Linear

    /// - Parameter dropoutPlace: first of the `layers` dropout places of this head (`TokenKeys`).
    package init(_ shape: Shape, dropoutPlace: Int = 0, in scope: ParameterScope) {
        embedding = Linear(inputs: shape.inputs, outputs: shape.width, in: scope.scope("embedding"))
        token = scope.parameter("token", shape: [1, shape.width], .normal(deviation: 1))
        layers = (0..<shape.layers).map { layer in
            let scope = scope.hidden.scope("layers.\(layer)")
            func norm(_ name: String) -> LayerNorm? {
                shape.hasNorm ? LayerNorm(width: shape.width, in: scope.scope(name)) : nil
            }
            let dropout = Dropout(rate: Float(shape.dropout), place: dropoutPlace + layer)
            return Layer(
                attentionNorm: norm("attention_norm"),
                attention: CrossAttention(
                    width: shape.width, heads: shape.heads, dropout: dropout, in: scope.scope("attention")),
                feedForwardNorm: norm("feedforward_norm"),
                feedForward: GatedFeedForward(
                    width: shape.width, multiplier: shape.feedForwardMultiplier, dropout: dropout,
                    in: scope.scope("feedforward")))
        }
        output = Linear(
            inputs: shape.width, outputs: shape.outputs, weight: .normal(deviation: 0.01), bias: .constant(0),
            in: scope.scope("output"))
    }

    /// `[tokens, inputs]` to `[jets, outputs]`.
    ///
    /// - Parameter keys: random numbers of dropout, one key for each jet; nil for no dropout.
    package func callAsFunction(
        _ x: Variable, offsets: Offsets, keys: TokenKeys? = nil, on tape: Tape
    ) -> Variable {
        let context = embedding(x, on: tape)
        let single = Offsets(counts: repeatElement(1, count: offsets.jets))
        var c = tape.gatherRows([token.variable], index: [Int32](repeating: 0, count: offsets.jets))
        for layer in layers {
            let attended = layer.attention(
                layer.attentionNorm?(c, on: tape) ?? c, offsets: single, context: context, contextOffsets: offsets,
                keys: keys, on: tape)
            c = tape.add(c, attended)
            c = tape.add(c, layer.feedForward(layer.feedForwardNorm?(c, on: tape) ?? c, keys: keys, on: tape))
        }
        return output(c, on: tape)
    }
}
