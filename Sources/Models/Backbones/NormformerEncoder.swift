import NN
import Tensors

/// The shape of a stack of Normformer blocks; as it comes, the one of version 1 of masked particle modelling.
package struct NormformerShape: Sendable, Equatable {
    /// Channels of every token.
    package var width: Int
    /// The number of blocks.
    package var layers: Int
    /// Attention heads; they divide the width.
    package var heads: Int
    /// The width inside the feed-forward networks.
    package var hidden: Int
    /// The rate of dropout before the last map of each residual branch.
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

    /// The places of dropout that a stack of this shape takes.
    var dropoutPlaces: Int { layers * NormformerBlock.dropoutPlaces }
}

/// A stack of Normformer blocks over packed jets, and a last norm.
package struct NormformerEncoder {
    private let blocks: [NormformerBlock]
    private let finalNorm: LayerNorm
    /// The shape it was made with.
    package let shape: NormformerShape

    /// - Parameter dropoutPlace: the first of the places of dropout that are its own, where a network has more
    ///   stacks.
    package init(_ shape: NormformerShape, dropoutPlace: Int = 0, in scope: ParameterScope) {
        self.shape = shape
        blocks = (0..<shape.layers).map { layer in
            NormformerBlock(
                width: shape.width, heads: shape.heads, hidden: shape.hidden, dropout: Float(shape.dropout),
                dropoutPlace: dropoutPlace + layer * NormformerBlock.dropoutPlaces,
                in: scope.scope("layers.\(layer)"))
        }
        finalNorm = LayerNorm(width: shape.width, in: scope.scope("final_norm"))
    }

    /// Encodes tokens, `[tokens, width]` to the same shape.
    ///
    /// - Parameter keys: the random numbers of dropout, one key for each token; nil outside of training.
    package func callAsFunction(
        _ x: Variable, offsets: Offsets, keys: TokenKeys? = nil, on tape: Tape
    ) -> Variable {
        finalNorm(blocks.reduce(x) { $1($0, offsets: offsets, keys: keys, on: tape) }, on: tape)
    }
}
