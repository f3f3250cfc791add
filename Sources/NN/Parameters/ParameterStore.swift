import Foundation
import System
import Tensors

/// How the values of a parameter start.
package enum Initialization: Sendable {
    /// All elements have one value.
    case constant(Float)
    /// Normal numbers of mean 0 and the given standard deviation.
    case normal(deviation: Float)
    /// Uniform numbers in ±bound.
    case uniform(bound: Float)

    /// PyTorch's default for linear maps: uniform in ±1/√inputs.
    package static func linear(inputs: Int) -> Initialization { .uniform(bound: 1 / Float(inputs).squareRoot()) }

    /// Xavier-uniform (Glorot and Bengio, 2010): ±√(6 / (inputs + outputs)).
    package static func xavier(inputs: Int, outputs: Int) -> Initialization {
        .uniform(bound: (6 / Float(inputs + outputs)).squareRoot())
    }
}

/// A trained tensor with its permanent dotted name.
package struct Parameter {
    /// Such as `encoder.layers.3.attention.qkv.weight`.
    package let name: String
    /// PyTorch's layout: a weight is `[outputs, inputs]`.
    package let shape: [Int]
    /// Where the elements stand in the flat buffers of the store.
    package let range: Range<Int>
    /// The values, and the gradient where the operations leave it.
    package let variable: Variable
}

/// Consecutive parameters that are trained alike: frozen together, with one learning rate.
package struct ParameterGroup: Sendable, Equatable {
    /// Such as `backbone`.
    package let name: String
    /// Their places in the store.
    package let parameters: Range<Int>
    /// Their place in the flat buffers.
    package let elements: Range<Int>
}

/// All parameters of a model in two flat buffers, values and gradients, in the order of declaration.
///
/// One buffer each lets the optimizer run in one pass and gradients leave in buckets of consecutive parameters. Every
/// parameter begins at a multiple of 16 elements; the elements between two parameters are zero in both buffers.
package final class ParameterStore {
    /// The parameters in the order of declaration.
    package let parameters: [Parameter]
    /// The groups that they are trained in, one after the other.
    package let groups: [ParameterGroup]
    /// All values.
    package let values: Tensor
    /// All gradients, summed over the micro-batches of a step.
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

    /// The number of trained elements.
    package var count: Int { parameters.reduce(0) { $0 + $1.range.count } }

    /// The parameter of a name.
    package subscript(name: String) -> Parameter? { parameters.first { $0.name == name } }

    /// The place of a variable among the parameters.
    package func index(of variable: Variable) -> Int? { indexOfVariable[ObjectIdentifier(variable)] }

    /// Forgets all gradients at the start of a step.
    package func resetGradients() {
        for parameter in parameters { parameter.variable.resetGradient() }
    }

    /// Zeroes the gradient of every parameter that no operation reached, so that the flat buffer holds this step alone.
    package func zeroUnusedGradients() {
        for parameter in parameters where parameter.variable.gradient == nil {
            (gradients.pointer + parameter.range.lowerBound).update(repeating: 0, count: parameter.range.count)
        }
    }
}

/// A promise of a parameter while the model is being declared; filled by `ParameterBuilder.build`.
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

    /// The numbers depend on seed and name alone: adding a layer does not change the others.
    func initialize(_ value: Tensor, seed: UInt64) {
        // FNV-1a of the name, spread over the fields of the key.
        let hash = name.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        for (row, range) in rows(value.count).enumerated() {
            let key = RandomKey(
                seed: seed ^ hash, stream: .initialisation, jet: row)
            var random = RandomSequence(key)
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

    /// Sequences have a bounded length: a new one for every 4096 elements.
    private func rows(_ count: Int) -> [Range<Int>] {
        stride(from: 0, to: count, by: 4096).map { $0..<min($0 + 4096, count) }
    }
}

/// Declares the parameters of a model under dotted names, then lays them out in one store.
package final class ParameterBuilder {
    private var declarations: [Declaration] = []
    private var names: Set<String> = []
    private var group = "model"

    package init() {}

    /// What is declared from now on belongs to a group of this name.
    package func beginGroup(_ name: String) { group = name }

    /// The scope without a prefix.
    package var root: ParameterScope { ParameterScope(builder: self, prefix: "") }

    fileprivate func declare(_ name: String, _ shape: [Int], _ initialization: Initialization) -> ParameterSlot {
        invariant(names.insert(name).inserted, "two parameters are called \(name)")
        let start = ((declarations.last?.range.upperBound ?? 0) + 15) / 16 * 16
        let slot = ParameterSlot()
        declarations.append(
            Declaration(
                name: name, group: group, shape: shape, range: start..<start + shape.reduce(1, *),
                initialization: initialization, slot: slot))
        return slot
    }

    /// Allocates and initialises everything that was declared; the same seed gives the same values on every rank.
    package func build(seed: UInt64) -> ParameterStore {
        ParameterStore(declarations, seed: seed)
    }
}

/// A place in the tree of names, handed to a layer so that it declares its parameters there.
package struct ParameterScope {
    private let builder: ParameterBuilder
    /// What the names of the parameters that are declared here begin with: `encoder.layers.3.`
    package let prefix: String

    fileprivate init(builder: ParameterBuilder, prefix: String) {
        self.builder = builder
        self.prefix = prefix
    }

    /// The scope of a part: `encoder` then `layers.3`.
    package func scope(_ name: String) -> ParameterScope {
        ParameterScope(builder: builder, prefix: "\(prefix)\(name).")
    }

    /// Declares a parameter.
    package func parameter(_ name: String, shape: [Int], _ initialization: Initialization) -> ParameterSlot {
        builder.declare(prefix + name, shape, initialization)
    }
}
