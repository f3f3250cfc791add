import NN
import System
import Tensors

/// Exponential moving average of some parameters, with which samples are drawn.
///
///     a ← a + max(1 − decay, 1 / n) (θ − a)        n = 1, 2, … updates
///
/// The first updates form a plain mean, so that the initial values drop out.
package final class MovingAverage {
    /// The averages, named like the parameters without the prefix.
    package let values: ParameterStore
    /// Number of updates so far.
    package private(set) var updates = 0
    private let prefix: String
    private let decay: Double

    /// - Parameters:
    ///   - prefix: prefix of the names of the averaged parameters.
    ///   - values: a store with the same parameters in the same order.
    package init(of prefix: String, as values: ParameterStore, decay: Double) {
        self.prefix = prefix
        self.values = values
        self.decay = decay
    }

    /// Adds the parameters after a step to the average.
    package func update(from parameters: ParameterStore) {
        updates += 1
        let share = Float(max(1 - decay, 1 / Double(updates)))
        let own = parameters.parameters.filter { $0.name.hasPrefix(prefix) }
        invariant(
            own.map(\.name) == values.parameters.map { prefix + $0.name },
            "the averaged parameters have changed their names")
        for (from, to) in zip(own, values.parameters) {
            to.variable.value.scale(by: 1 - share, adding: from.variable.value, times: share)
        }
    }

    /// A copy of the averages, and the number of updates.
    var state: ObjectiveState {
        var state = ObjectiveState()
        for parameter in values.parameters {
            state.tensors["average/" + parameter.name] = parameter.variable.value.copy()
        }
        state.integers["updates"] = [updates]
        return state
    }

    func restore(_ state: ObjectiveState) throws {
        updates = try state.integers("updates", count: 1)[0]
        for parameter in values.parameters {
            let stored = try state.tensor(
                "average/" + parameter.name, shape: parameter.shape,
                wanted: "the moving average of this configuration needs \(parameter.shape)")
            withExtendedLifetime(stored) {
                parameter.variable.value.pointer.update(from: $0.pointer, count: $0.count)
            }
        }
    }
}
