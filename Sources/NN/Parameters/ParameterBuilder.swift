import System
import Tensors

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

    fileprivate func declare(
        _ name: String, _ shape: [Int], _ initialization: Initialization, isFactor: Bool, isHidden: Bool
    ) -> ParameterSlot {
        invariant(names.insert(name).inserted, "two parameters are named \(name)")
        let start = ((declarations.last?.range.upperBound ?? 0) + 15) / 16 * 16
        let slot = ParameterSlot()
        declarations.append(
            Declaration(
                name: name, group: group, shape: shape, range: start..<start + shape.reduce(1, *),
                isHiddenWeight: isHidden && shape.count == 2, initialization: initialization, isFactor: isFactor,
                slot: slot))
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
    /// True for the layers between the first and the last of a network.
    private var isHidden = false

    fileprivate init(builder: ParameterBuilder, prefix: String) {
        self.builder = builder
        self.prefix = prefix
    }

    /// The same scope for hidden layers: matrices that are declared in it map hidden features to hidden features
    /// (`Parameter.isHiddenWeight`).
    package var hidden: ParameterScope {
        var scope = self
        scope.isHidden = true
        return scope
    }

    /// Nested scope: `root.scope("encoder").scope("layers.3")` has prefix `encoder.layers.3.`
    package func scope(_ name: String) -> ParameterScope {
        var scope = ParameterScope(builder: builder, prefix: "\(prefix)\(name).")
        scope.isHidden = isHidden
        return scope
    }

    /// Declares a parameter named by the prefix and `name`.
    ///
    /// - Parameter isFactor: true for the weight of a linear map.
    package func parameter(
        _ name: String, shape: [Int], _ initialization: Initialization, isFactor: Bool = false
    ) -> ParameterSlot {
        builder.declare(prefix + name, shape, initialization, isFactor: isFactor, isHidden: isHidden)
    }
}

/// Placeholder for a parameter while the model is being declared; `ParameterBuilder.build` fills it in.
package final class ParameterSlot {
    package internal(set) var variable: Variable!

    init() {}
}

/// A parameter that a layer has declared.
struct Declaration {
    let name: String
    let group: String
    let shape: [Int]
    let range: Range<Int>
    let isHiddenWeight: Bool
    let initialization: Initialization
    let isFactor: Bool
    let slot: ParameterSlot
}
