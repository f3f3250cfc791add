import Tensors

/// Affine map of every row: y = x Wᵀ + b, `[tokens, inputs]` to `[tokens, outputs]`.
package struct Linear {
    private let weight: ParameterSlot
    private let bias: ParameterSlot

    /// - Parameters:
    ///   - weight: initialisation of the weight; PyTorch's default if nil.
    ///   - bias: initialisation of the bias; PyTorch's default (uniform in ±1/√inputs) if nil.
    package init(
        inputs: Int, outputs: Int, weight: Initialization? = nil, bias: Initialization? = nil, in scope: ParameterScope
    ) {
        let standard = Initialization.linear(inputs: inputs)
        self.weight = scope.parameter(
            "weight", shape: [outputs, inputs], weight ?? standard, isFactor: true)
        self.bias = scope.parameter("bias", shape: [outputs], bias ?? standard)
    }

    /// - Parameter output: the element type of the output; see `Tape.linear`.
    package func callAsFunction(_ x: Variable, on tape: Tape, output: ScalarType = .float32) -> Variable {
        tape.linear(x, weight: weight.variable, bias: bias.variable, output: output)
    }

    /// The last map of a residual branch: residual + scale ⊙ (x Wᵀ + b).
    package func callAsFunction(
        _ x: Variable, addedTo residual: Variable, scale: ParameterSlot?, on tape: Tape
    ) -> Variable {
        tape.residualLinear(residual, x, weight: weight.variable, bias: bias.variable, scale: scale?.variable)
    }
}
