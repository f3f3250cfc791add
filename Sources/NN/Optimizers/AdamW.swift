import Tensors

/// AdamW (Loshchilov and Hutter, arXiv:1711.05101):
///
///     m ← β₁ m + (1 − β₁) g        v ← β₂ v + (1 − β₂) g²
///     p ← p (1 − η λ) − η (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
package final class AdamW: Optimizer {
    package struct Options: Sendable, Equatable {
        /// Weight decay λ: each step scales parameters by 1 − η λ.
        package var weightDecay: Double
        /// Decay rate β₁ of the moving average of the gradient.
        package var beta1: Double
        /// Decay rate β₂ of the moving average of the squared gradient.
        package var beta2: Double
        /// ε, added to the denominator.
        package var epsilon: Double

        package init(weightDecay: Double = 1e-5, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8) {
            self.weightDecay = weightDecay
            self.beta1 = beta1
            self.beta2 = beta2
            self.epsilon = epsilon
        }
    }

    package let parameters: ParameterStore
    package var state: OptimizerState
    private let options: Options

    /// Moving average m of the gradient.
    package var firstMoment: Tensor { state.entries[0].values }
    /// Moving average v of the squared gradient.
    package var secondMoment: Tensor { state.entries[1].values }

    /// - Parameter elements: the elements to update; nil for all.
    package init(_ parameters: ParameterStore, _ options: Options = Options(), elements: ElementRanges? = nil) {
        self.parameters = parameters
        self.options = options
        state = OptimizerState(
            of: "adamw", ["first_moment", "second_moment"], for: parameters, elements: elements)
    }

    package func update(_ part: ElementRanges.Part, _ update: OptimizerUpdate) {
        options.update(part, of: parameters, moments: (firstMoment, secondMoment), update)
    }
}

extension AdamW.Options {
    /// Updates a part of the parameters and of the moments m and v.
    func update(
        _ part: ElementRanges.Part, of parameters: ParameterStore, moments: (first: Tensor, second: Tensor),
        _ update: OptimizerUpdate
    ) {
        Tensor.adamW(
            parameters: parameters.values.part(part.elements), gradients: parameters.gradients.part(part.elements),
            firstMoment: moments.first.part(part.compact), secondMoment: moments.second.part(part.compact),
            gradientScale: update.gradientScale, learningRate: update.learningRate, beta1: beta1, beta2: beta2,
            epsilon: epsilon, weightDecay: weightDecay, update: update.number)
    }
}
