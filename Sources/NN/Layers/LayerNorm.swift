import Tensors

/// Normalises every row to mean 0 and variance 1, with a learned scale and shift per channel (arXiv:1607.06450).
package struct LayerNorm {
    private let weight: ParameterSlot
    private let bias: ParameterSlot

    package init(width: Int, in scope: ParameterScope) {
        weight = scope.parameter("weight", shape: [width], .constant(1))
        bias = scope.parameter("bias", shape: [width], .constant(0))
    }

    /// - Parameter output: the element type of the output; see `Tape.layerNorm`.
    package func callAsFunction(_ x: Variable, on tape: Tape, output: ScalarType = .float32) -> Variable {
        tape.layerNorm(x, weight: weight.variable, bias: bias.variable, output: output)
    }
}
