import NN
import System
import Tensors

/// An exponential moving average of some parameters, which samples are drawn with: smoother than the
/// parameters themselves.
///
///     a ← a + max(1 − decay, 1 / n) (θ − a)        n = 1, 2, … updates
///
/// The first updates are a plain mean, so that where the parameters began is forgotten.
package final class MovingAverage {
    /// The averages, under the names of the parameters without their prefix.
    package let values: ParameterStore
    /// Updates so far.
    package private(set) var updates = 0
    private let prefix: String
    private let decay: Double

    /// - Parameters:
    ///   - prefix: what the names of the parameters begin with.
    ///   - values: a store of the same parameters in the same order.
    package init(of prefix: String, as values: ParameterStore, decay: Double) {
        self.prefix = prefix
        self.values = values
        self.decay = decay
    }

    /// Takes note of the parameters after a step.
    package func update(from parameters: ParameterStore) {
        updates += 1
        let share = Float(max(1 - decay, 1 / Double(updates)))
        let own = parameters.parameters.filter { $0.name.hasPrefix(prefix) }
        invariant(
            own.map(\.name) == values.parameters.map { prefix + $0.name },
            "the parameters of an average change")
        for (from, to) in zip(own, values.parameters) {
            withExtendedLifetime((from.variable.value, to.variable.value)) { from, to in
                let (x, average) = (from.pointer, to.pointer)
                for i in 0..<from.count { average[i] += share * (x[i] - average[i]) }
            }
        }
    }

    /// A copy of the averages, and the updates so far.
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
