import System
import Tensors

/// AdamW (Loshchilov and Hutter, arXiv:1711.05101) over the flat buffers of a store:
///
///     m ← β₁ m + (1 − β₁) g        v ← β₂ v + (1 − β₂) g²
///     p ← p (1 − η λ) − η (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
package final class AdamW {
    /// The constants of the update.
    package struct Options: Sendable, Equatable {
        /// λ, what of a parameter goes with each step, times the learning rate.
        package var weightDecay: Double
        /// The decay of the moving average of the gradient.
        package var beta1: Double
        /// The decay of the moving average of its square.
        package var beta2: Double
        /// ε, what keeps the denominator from 0.
        package var epsilon: Double

        package init(weightDecay: Double = 1e-5, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8) {
            self.weightDecay = weightDecay
            self.beta1 = beta1
            self.beta2 = beta2
            self.epsilon = epsilon
        }
    }

    /// The moving average of the gradient.
    package let firstMoment: Tensor
    /// The moving average of the squared gradient.
    package let secondMoment: Tensor
    /// The number of updates of every group of parameters so far.
    package var updates: [Int]
    private let options: Options
    private let store: ParameterStore

    package init(_ store: ParameterStore, _ options: Options = Options()) {
        self.store = store
        self.options = options
        updates = store.groups.map { _ in 0 }
        firstMoment = Tensor(repeating: 0, shape: store.values.shape)
        secondMoment = Tensor(repeating: 0, shape: store.values.shape)
    }

    /// Updates the parameters from the gradients in the store, multiplied by `gradientScale` first.
    ///
    /// - Parameter factors: what the learning rate of each group is multiplied by; a group of factor 0 is frozen, and
    ///   nothing of it changes.
    package func step(learningRate: Double, factors: [Double]? = nil, gradientScale: Float = 1) {
        invariant(factors.map { $0.count == store.groups.count } ?? true, "one factor a group")
        for (index, group) in store.groups.enumerated() where factors?[index] != 0 {
            updates[index] += 1
            func part(_ tensor: Tensor) -> Tensor { tensor.slice(group.elements, shape: [group.elements.count]) }
            Tensor.adamW(
                parameters: part(store.values), gradients: part(store.gradients), firstMoment: part(firstMoment),
                secondMoment: part(secondMoment), gradientScale: gradientScale,
                learningRate: learningRate * (factors?[index] ?? 1), beta1: options.beta1, beta2: options.beta2,
                epsilon: options.epsilon, weightDecay: options.weightDecay, update: updates[index])
        }
    }
}

/// The factor that brings a gradient of the given norm to at most `limit`: min(1, limit / (norm + 1e-6)), as PyTorch's
/// `clip_grad_norm_`.
package func clippingFactor(norm: Double, limit: Double?) -> Float {
    guard let limit else { return 1 }
    return Float(min(1, limit / (norm + 1e-6)))
}
