import Tensors

/// Exponential moving average of all parameters, for the elements of which a rank has the state of the optimizer:
///
///     a ← a + (1 − dₙ) (θ − a),   dₙ = min(decay, (1 + n) / (10 + n))        after update n = 1, 2, …
///
/// It starts at the weights from which training starts. The decay grows with the number of updates (Martín Abadi et
/// al., `tf.train.ExponentialMovingAverage`), so that the first weights do not dominate: after n updates, the average
/// reaches back over about n / 9 of them until it reaches over 1 / (1 − decay).
package struct WeightAverage: Sendable {
    /// Name in checkpoints.
    package static let name = "average"

    package let decay: Double
    /// Compact, as the state of the optimizer.
    package let values: Tensor

    /// Starts again from the present parameters.
    package func restart(from parameters: ParameterStore, _ elements: ElementRanges) {
        for part in elements.parts {
            (values.pointer + part.compact.lowerBound).update(
                from: parameters.values.pointer + part.elements.lowerBound, count: part.elements.count)
        }
    }

    /// Adds the parameters of a part after update `number`, counted from 1.
    func add(_ part: ElementRanges.Part, of parameters: ParameterStore, update number: Int) {
        let share = 1 - min(decay, Double(1 + number) / Double(10 + number))
        values.part(part.compact).scale(
            by: Float(1 - share), adding: parameters.values.part(part.elements), times: Float(share))
    }
}
