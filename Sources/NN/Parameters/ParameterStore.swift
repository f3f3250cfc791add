import Foundation
import System
import Tensors

/// Distribution of the initial values of a parameter.
package enum Initialization: Sendable {
    /// The same value for all elements.
    case constant(Float)
    /// Normal distribution with mean 0.
    case normal(deviation: Float)
    /// Uniform distribution between −bound and bound.
    case uniform(bound: Float)

    /// PyTorch's default for linear layers: uniform between ±1/√inputs.
    package static func linear(inputs: Int) -> Initialization { .uniform(bound: 1 / Float(inputs).squareRoot()) }

    /// Xavier uniform (Glorot and Bengio, 2010): between ±√(6 / (inputs + outputs)).
    package static func xavier(inputs: Int, outputs: Int) -> Initialization {
        .uniform(bound: (6 / Float(inputs + outputs)).squareRoot())
    }
}

/// Trainable tensor of a model.
package struct Parameter {
    /// Permanent dotted name, such as `encoder.layers.3.attention.qkv.weight`.
    package let name: String
    /// Shape in PyTorch's layout: `[outputs, inputs]` for a weight.
    package let shape: [Int]
    /// Elements in the flat buffers of the store.
    package let range: Range<Int>
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
    package let values: Tensor
    /// Gradients of all parameters, flat, accumulated over the micro-batches of a step.
    package let gradients: Tensor
    private let indexOfVariable: [ObjectIdentifier: Int]

    fileprivate init(_ declarations: [Declaration], seed: UInt64) {
        let count = declarations.last.map { $0.range.upperBound } ?? 0
        let values = Tensor(repeating: 0, shape: [count])
        let gradients = Tensor(repeating: 0, shape: [count])
        parameters = declarations.map { declaration in
            let value = values.slice(declaration.range, shape: declaration.shape)
            declaration.initialize(value, seed: seed)
            declaration.slot.variable = Variable(
                parameter: value, gradient: gradients.slice(declaration.range, shape: declaration.shape))
            return Parameter(
                name: declaration.name, shape: declaration.shape, range: declaration.range,
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

    /// Sets the gradient to zero for each parameter that no operation reached, so that the flat buffer holds no gradients
    /// of earlier steps.
    package func zeroUnusedGradients() {
        for parameter in parameters where parameter.variable.gradient == nil {
            (gradients.pointer + parameter.range.lowerBound).update(repeating: 0, count: parameter.range.count)
        }
    }
}

/// Placeholder for a parameter while the model is being declared; `ParameterBuilder.build` fills it in.
package final class ParameterSlot {
    fileprivate(set) package var variable: Variable!

    fileprivate init() {}
}

private struct Declaration {
    let name: String
    let group: String
    let shape: [Int]
    let range: Range<Int>
    let initialization: Initialization
    let slot: ParameterSlot

    /// Initial values depend only on the seed and the name, so that adding a layer does not change the others.
    func initialize(_ value: Tensor, seed: UInt64) {
        // FNV-1a hash of the name.
        let hash = name.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        for (row, range) in rows(value.count).enumerated() {
            var random = RandomSequence(RandomKey(seed: seed ^ hash, stream: .initialisation, jet: row))
            switch initialization {
            case .constant(let constant):
                for i in range { value.pointer[i] = constant }
            case .normal(let deviation):
                random.fillNormal(.init(rebasing: value.buffer[range]), deviation: deviation)
            case .uniform(let bound):
                for i in range { value.pointer[i] = bound * (2 * random.uniform() - 1) }
            }
        }
    }

    /// A random sequence has a bounded length; each serves 4096 elements.
    private func rows(_ count: Int) -> [Range<Int>] {
        stride(from: 0, to: count, by: 4096).map { $0..<min($0 + 4096, count) }
    }
}

/// Collects the declarations of a model's parameters, then allocates all of them in one store.
package final class ParameterBuilder {
    private var declarations: [Declaration] = []
    private var names: Set<String> = []
    private var group = "model"

    package init() {}

    /// Assigns subsequently declared parameters to a group with this name.
    package func beginGroup(_ name: String) { group = name }

    /// Scope with an empty prefix.
    package var root: ParameterScope { ParameterScope(builder: self, prefix: "") }

    fileprivate func declare(_ name: String, _ shape: [Int], _ initialization: Initialization) -> ParameterSlot {
        invariant(names.insert(name).inserted, "two parameters are named \(name)")
        let start = ((declarations.last?.range.upperBound ?? 0) + 15) / 16 * 16
        let slot = ParameterSlot()
        declarations.append(
            Declaration(
                name: name, group: group, shape: shape, range: start..<start + shape.reduce(1, *),
                initialization: initialization, slot: slot))
        return slot
    }

    /// Allocates and initialises all declared parameters; the same seed gives the same values on all ranks.
    package func build(seed: UInt64) -> ParameterStore {
        ParameterStore(declarations, seed: seed)
    }
}

/// Name prefix under which a layer declares its parameters.
package struct ParameterScope {
    private let builder: ParameterBuilder
    /// Prefix of the declared names, such as `encoder.layers.3.`
    package let prefix: String

    fileprivate init(builder: ParameterBuilder, prefix: String) {
        self.builder = builder
        self.prefix = prefix
    }

    /// Nested scope: `root.scope("encoder").scope("layers.3")` has prefix `encoder.layers.3.`
    package func scope(_ name: String) -> ParameterScope {
        ParameterScope(builder: builder, prefix: "\(prefix)\(name).")
    }

    /// Declares a parameter named by the prefix and `name`.
    package func parameter(_ name: String, shape: [Int], _ initialization: Initialization) -> ParameterSlot {
        builder.declare(prefix + name, shape, initialization)
    }
}
