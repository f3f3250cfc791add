import Tensors

/// Trainable tensor of a model.
package struct Parameter {
    /// Permanent dotted name, such as `encoder.layers.3.attention.qkv.weight`.
    package let name: String
    /// Shape in PyTorch's layout: `[outputs, inputs]` for a weight.
    package let shape: [Int]
    /// Elements in the flat buffers of the store.
    package let range: Range<Int>
    /// True for the weight of a linear map.
    package let isFactor: Bool
    /// True for a matrix of a layer between the first and the last: not for embeddings, heads, norms and biases.
    package let isHiddenWeight: Bool
    /// Variable to record operations with; its gradient is a view of the store's flat buffer.
    package let variable: Variable
}

/// Consecutive parameters that share a learning rate and are frozen together.
package struct ParameterGroup: Sendable, Equatable {
    /// Such as `backbone`.
    package let name: String
    /// Indices of the parameters in the store.
    package let parameters: Range<Int>
    /// Elements of the parameters in the flat buffers.
    package let elements: Range<Int>
}

/// All parameters of a model in two flat buffers, values and gradients, in the order of declaration.
///
/// With flat buffers, the optimizer runs in one pass and gradients are summed over ranks in buckets of consecutive
/// parameters. Each parameter begins at a multiple of 16 elements; padding elements are zero in both buffers.
///
///     let builder = ParameterBuilder()
///     let layer = Linear(inputs: 4, outputs: 8, in: builder.root.scope("head"))
///     let store = builder.build(seed: 1)  // declares and initialises head.weight and head.bias
package final class ParameterStore {
    /// Parameters in the order of declaration.
    package let parameters: [Parameter]
    /// Groups of consecutive parameters, in the order of declaration.
    package let groups: [ParameterGroup]
    /// Values of all parameters, flat.
    package private(set) var values: Tensor
    /// Gradients of all parameters, flat, accumulated over the micro-batches of a step.
    package private(set) var gradients: Tensor
    private let indexOfVariable: [ObjectIdentifier: Int]

    init(_ declarations: [Declaration], seed: UInt64) {
        let count = declarations.last.map { $0.range.upperBound } ?? 0
        let values = Tensor(repeating: 0, shape: [count])
        let gradients = Tensor(repeating: 0, shape: [count])
        parameters = declarations.map { declaration in
            let value = values.slice(declaration.range, shape: declaration.shape)
            declaration.initialization.fill(value, name: declaration.name, seed: seed)
            declaration.slot.variable = Variable(
                parameter: value, gradient: gradients.slice(declaration.range, shape: declaration.shape))
            return Parameter(
                name: declaration.name, shape: declaration.shape, range: declaration.range,
                isFactor: declaration.isFactor, isHiddenWeight: declaration.isHiddenWeight,
                variable: declaration.slot.variable)
        }
        self.values = values
        self.gradients = gradients
        indexOfVariable = Dictionary(
            uniqueKeysWithValues: parameters.enumerated().map { (ObjectIdentifier($1.variable), $0) })
        var groups: [ParameterGroup] = []
        var first = 0
        for index in declarations.indices
        where index + 1 == declarations.count || declarations[index + 1].group != declarations[index].group {
            groups.append(
                ParameterGroup(
                    name: declarations[index].group, parameters: first..<index + 1,
                    elements: declarations[first].range.lowerBound..<declarations[index].range.upperBound))
            first = index + 1
        }
        self.groups = groups
    }

    /// Moves the parameters to other flat buffers; `values` has the same elements. Gradients are discarded.
    package func move(values: Tensor, gradients: Tensor) {
        (self.values, self.gradients) = (values, gradients)
        for parameter in parameters {
            parameter.variable.resetGradient()
            parameter.variable.move(
                value: values.slice(parameter.range, shape: parameter.shape),
                gradient: gradients.slice(parameter.range, shape: parameter.shape))
        }
    }

    /// Number of trainable elements, without padding.
    package var count: Int { parameters.reduce(0) { $0 + $1.range.count } }

    /// The parameter with this name, if any.
    package subscript(name: String) -> Parameter? { parameters.first { $0.name == name } }

    /// Index of the parameter to which a variable belongs, if any.
    package func index(of variable: Variable) -> Int? { indexOfVariable[ObjectIdentifier(variable)] }

    /// Discards all gradients, at the start of a step.
    package func resetGradients() {
        for parameter in parameters { parameter.variable.resetGradient() }
    }

    /// Sets the gradient to zero for each parameter that no operation reached, so that the flat buffer holds no
    /// gradients of earlier steps.
    package func zeroUnusedGradients() {
        for parameter in parameters where parameter.variable.gradient == nil {
            (gradients.pointer + parameter.range.lowerBound).update(repeating: 0, count: parameter.range.count)
        }
    }
}
