import System

/// Update rule for the parameters of a store.
///
/// An optimizer implements the update of one range of elements; `step` calls it for the elements of each parameter
/// group of which it has the state, on a rank of a job usually a share of all. Checkpoints and memory estimates depend
/// only on `state`.
package protocol Optimizer: AnyObject {
    /// The parameters that are updated, with their gradients.
    var parameters: ParameterStore { get }

    /// Everything that a checkpoint has to keep besides the parameters.
    var state: OptimizerState { get set }

    /// Updates elements of one parameter group. The compact buffers of `state` hold their state at `part.compact`.
    func update(_ part: ElementRanges.Part, _ update: OptimizerUpdate)
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
    /// Updates the elements of which this optimizer has the state, from their gradients.
    ///
    /// - Parameters:
    ///   - factors: factor on the learning rate for each parameter group; a group with factor 0 is frozen, and neither
    ///     its parameters nor its state change.
    ///   - gradientScale: factor on the gradients, applied first.
    package func step(learningRate: Double, factors: [Double]? = nil, gradientScale: Float = 1) {
        let groups = parameters.groups
        invariant(factors.map { $0.count == groups.count } ?? true, "expected one factor for each parameter group")
        for (index, group) in groups.enumerated() where factors?[index] != 0 {
            state.updates[index] += 1
            let update = OptimizerUpdate(
                learningRate: learningRate * (factors?[index] ?? 1), gradientScale: gradientScale,
                number: state.updates[index])
            for part in state.elements.parts(in: group.elements) {
                self.update(part, update)
                state.average?.add(part, of: parameters, update: update.number)
            }
        }
    }
}

/// Factor that limits the norm of a gradient to `limit`: min(1, limit / (norm + 1e-6)), as PyTorch's `clip_grad_norm_`.
package func clippingFactor(norm: Double, limit: Double?) -> Float {
    guard let limit else { return 1 }
    return Float(min(1, limit / (norm + 1e-6)))
}
