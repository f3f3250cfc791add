import NN
import Tensors

/// Everything that training steps change: parameters and optimizer state, which on a rank of a job is usually that of
/// the elements that it owns.
package struct TrainedValues: Sendable {
    /// Flat buffer of a `ParameterStore`.
    package let parameters: Tensor
    package let optimizer: OptimizerState

    package init(parameters: Tensor, optimizer: OptimizerState) {
        (self.parameters, self.optimizer) = (parameters, optimizer)
    }

    /// The values themselves, which the next step changes.
    package init(of optimizer: any Optimizer) {
        self.init(parameters: optimizer.parameters.values, optimizer: optimizer.state)
    }

    /// A copy with tensors of its own, or in the tensors of an earlier copy that is no longer needed.
    package func copy(reusing memory: TrainedValues? = nil) -> TrainedValues {
        TrainedValues(
            parameters: parameters.copy(into: memory?.parameters),
            optimizer: optimizer.copy(reusing: memory?.optimizer))
    }

    /// True if all values are finite.
    package var isFinite: Bool {
        ([parameters] + optimizer.entries.map(\.values)).allSatisfy { $0.sumOfSquares.isFinite }
    }

    /// Memory of the tensors [bytes].
    package var bytes: Int { parameters.count * MemoryLayout<Float>.stride + optimizer.bytes }
}
