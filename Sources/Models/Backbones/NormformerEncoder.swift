import NN
import Tensors

/// Hyperparameters of a stack of Normformer blocks, by default those of version 1 (arXiv:2401.13537).
package struct NormformerShape: Sendable, Equatable {
    /// Channels of every token.
    package var width: Int
    /// Number of blocks.
    package var layers: Int
    /// Number of attention heads, a divisor of the width.
    package var heads: Int
    /// Hidden width of the feed-forward networks.
    package var hidden: Int
    /// Dropout rate of the attention weights.
    package var dropout: Double

    package init(
        width: Int = 1024, layers: Int = 8, heads: Int = 8, hidden: Int = 512, dropout: Double = 0.1
    ) {
        self.width = width
        self.layers = layers
        self.heads = heads
        self.hidden = hidden
        self.dropout = dropout
    }
}

/// Stack of Normformer blocks (Shleifer et al., arXiv:2110.09456) over packed jets, followed by a layer norm.
package struct NormformerEncoder {
    private let blocks: [NormformerBlock]
    private let finalNorm: LayerNorm

    /// - Parameter dropoutPlace: the first dropout place of this stack; the stacks of a network use different places.
    package init(_ shape: NormformerShape, dropoutPlace: Int = 0, in scope: ParameterScope) {
        blocks = (0..<shape.layers).map { layer in
            NormformerBlock(
                width: shape.width, heads: shape.heads, hidden: shape.hidden,
                dropout: Dropout(rate: Float(shape.dropout), place: dropoutPlace + layer),
                in: scope.scope("layers.\(layer)"))
        }
        finalNorm = LayerNorm(width: shape.width, in: scope.scope("final_norm"))
    }

    /// Encodes tokens, `[tokens, width]` to the same shape.
    ///
    /// - Parameter keys: random numbers of dropout, one key for each token; nil for no dropout.
    package func callAsFunction(
        _ x: Variable, packing: Packing, keys: TokenKeys? = nil, on tape: Tape
    ) -> Variable {
        finalNorm(blocks.reduce(x) { $1($0, packing: packing, keys: keys, on: tape) }, on: tape)
    }
}
