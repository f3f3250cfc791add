import System

/// Update rule for the parameters of a store.
///
/// An optimizer implements the update of one range of elements; `step` calls it for each parameter group. Checkpoints
/// and memory estimates depend only on `state`.
package protocol Optimizer: AnyObject {
    /// The parameters that are updated, with their gradients.
    var parameters: ParameterStore { get }

    /// Everything that a checkpoint has to keep besides the parameters, in flat buffers of their layout.
    var state: OptimizerState { get set }

    /// Updates a range of elements of the flat buffers, which belong to one parameter group.
    func update(_ elements: Range<Int>, _ update: OptimizerUpdate)
}

/// Constants of one update of a parameter group.
package struct OptimizerUpdate {
    package var learningRate: Double
    /// Factor on the gradients, applied first.
    package var gradientScale: Float
    /// Number of this update of the group, counted from 1.
    package var number: Int
}

extension Optimizer {
    /// Updates all parameters from their gradients.
    ///
    /// - Parameters:
    ///   - factors: factor on the learning rate for each parameter group; a group with factor 0 is frozen, and neither
    ///     its parameters nor its state change.
    ///   - gradientScale: factor on the gradients, applied first.
    ///   - elements: the part of the flat buffers to update; nil for all.
    package func step(
        learningRate: Double, factors: [Double]? = nil, gradientScale: Float = 1, elements: Range<Int>? = nil
    ) {
        let groups = parameters.groups
        invariant(factors.map { $0.count == groups.count } ?? true, "expected one factor for each parameter group")
        for (index, group) in groups.enumerated() where factors?[index] != 0 {
            state.updates[index] += 1
            let range = elements.map { group.elements.clamped(to: $0) } ?? group.elements
            let update = OptimizerUpdate(
                learningRate: learningRate * (factors?[index] ?? 1), gradientScale: gradientScale,
                number: state.updates[index])
            self.update(range, update)
        }
    }
}

/// Factor that limits the norm of a gradient to `limit`: min(1, limit / (norm + 1e-6)), as PyTorch's `clip_grad_norm_`.
package func clippingFactor(norm: Double, limit: Double?) -> Float {
    guard let limit else { return 1 }
    return Float(min(1, limit / (norm + 1e-6)))
}
