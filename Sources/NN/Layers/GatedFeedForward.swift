import Tensors

/// Two linear maps with SwiGLU between them (arXiv:2002.05202), for a multiplier m:
///
///     width → 2 m · width → (SwiGLU) m · width → width
package struct GatedFeedForward {
    private let input: Linear
    private let output: Linear
    private let dropout: Dropout?

    /// - Parameter dropout: dropout after SwiGLU; nil for none.
    package init(width: Int, multiplier: Int, dropout: Dropout? = nil, in scope: ParameterScope) {
        input = Linear(inputs: width, outputs: 2 * multiplier * width, in: scope.scope("input"))
        output = Linear(inputs: multiplier * width, outputs: width, in: scope.scope("output"))
        self.dropout = dropout
    }

    /// output(dropout(SwiGLU(input(x)))).
    ///
    /// - Parameter keys: random numbers of dropout, one key for each token; nil for no dropout.
    package func callAsFunction(_ x: Variable, keys: TokenKeys? = nil, on tape: Tape) -> Variable {
        output(hidden(x, keys, tape), on: tape)
    }

    /// residual + scale ⊙ output(dropout(SwiGLU(input(x)))).
    package func callAsFunction(
        _ x: Variable, addedTo residual: Variable, scale: ParameterSlot?, keys: TokenKeys? = nil, on tape: Tape
    ) -> Variable {
        output(hidden(x, keys, tape), addedTo: residual, scale: scale, on: tape)
    }

    private func hidden(_ x: Variable, _ keys: TokenKeys?, _ tape: Tape) -> Variable {
        let hidden = tape.swiglu(input(x, on: tape, output: tape.activationType))
        return dropout?(hidden, keys: keys, on: tape) ?? hidden
    }
}
