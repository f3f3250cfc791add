import Tensors

/// Two linear maps with SwiGLU between them (arXiv:2002.05202): width → 2 · multiplier · width → width.
package struct GatedFeedForward {
    private let input: Linear
    private let output: Linear

    package init(width: Int, multiplier: Int, in scope: ParameterScope) {
        input = Linear(inputs: width, outputs: 2 * multiplier * width, in: scope.scope("input"))
        output = Linear(inputs: multiplier * width, outputs: width, in: scope.scope("output"))
    }

    /// output(SwiGLU(input(x))).
    package func callAsFunction(_ x: Variable, on tape: Tape) -> Variable {
        output(tape.swiglu(input(x, on: tape, output: tape.activationType)), on: tape)
    }

    /// residual + scale ⊙ output(SwiGLU(input(x))).
    package func callAsFunction(
        _ x: Variable, addedTo residual: Variable, scale: ParameterSlot?, on tape: Tape
    ) -> Variable {
        output(tape.swiglu(input(x, on: tape, output: tape.activationType)), addedTo: residual, scale: scale, on: tape)
    }
}
