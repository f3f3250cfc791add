import System
import Tensors

/// Multi-head attention from the tokens of each jet to the context of the same jet (arXiv:1706.03762): queries from the
/// tokens, keys and values from the context, and an output map of the concatenated heads.
package struct CrossAttention {
    private let query: Linear
    private let keyValue: Linear
    private let output: Linear
    private let heads: Int
    private let dropout: Dropout?

    /// Query, key and value maps are initialised like one fused map `[3 · width, width]`: Xavier-uniform with zero
    /// biases; the output map uses PyTorch's default.
    ///
    /// - Parameter dropout: dropout of the attention weights; nil for none.
    package init(width: Int, heads: Int, dropout: Dropout? = nil, in scope: ParameterScope) {
        invariant(width % heads == 0, "width \(width) is not divisible by \(heads) heads")
        let start = Initialization.xavier(inputs: width, outputs: 3 * width)
        query = Linear(
            inputs: width, outputs: width, weight: start, bias: .constant(0), in: scope.scope("query"))
        keyValue = Linear(
            inputs: width, outputs: 2 * width, weight: start, bias: .constant(0), in: scope.scope("key_value")
        )
        output = Linear(inputs: width, outputs: width, in: scope.scope("output"))
        (self.heads, self.dropout) = (heads, dropout)
    }

    /// - Parameters:
    ///   - x: `[tokens, width]`.
    ///   - context: `[context tokens, width]`.
    ///   - keys: random numbers of dropout, one key for each token; nil for no dropout.
    package func callAsFunction(
        _ x: Variable, offsets: Offsets, context: Variable, contextOffsets: Offsets, keys: TokenKeys? = nil,
        on tape: Tape
    ) -> Variable {
        let type = tape.activationType
        let attended = tape.crossAttention(
            query(x, on: tape, output: type), keyValue(context, on: tape, output: type), offsets: offsets,
            contextOffsets: contextOffsets, heads: heads, dropout: dropout?.ofWeights(keys: keys))
        return output(attended, on: tape)
    }
}
