import Tensors

/// Lion (Chen et al., arXiv:2302.06675), whose steps have the size of the learning rate in every element:
///
///     p ← p (1 − η λ) − η sign(β₁ m + (1 − β₁) g)        m ← β₂ m + (1 − β₂) g        sign(0) = 0
package final class Lion: Optimizer {
    package struct Options: Sendable, Equatable {
        /// Weight decay λ: each step scales parameters by 1 − η λ.
        package var weightDecay: Double
        /// Share β₁ of the momentum in the direction of the update.
        package var beta1: Double
        /// Decay rate β₂ of the momentum.
        package var beta2: Double

        package init(weightDecay: Double = 1e-5, beta1: Double = 0.9, beta2: Double = 0.99) {
            self.weightDecay = weightDecay
            self.beta1 = beta1
            self.beta2 = beta2
        }
    }

    package let parameters: ParameterStore
    package var state: OptimizerState
    private let options: Options

    /// Moving average m of the gradient.
    package var momentum: Tensor { state.entries[0].values }

    /// - Parameter elements: the elements to update; nil for all.
    package init(_ parameters: ParameterStore, _ options: Options = Options(), elements: ElementRanges? = nil) {
        self.parameters = parameters
        self.options = options
        state = OptimizerState(of: "lion", ["momentum"], for: parameters, elements: elements)
    }

    package func update(_ part: ElementRanges.Part, _ update: OptimizerUpdate) {
        Tensor.lion(
            parameters: parameters.values.part(part.elements), gradients: parameters.gradients.part(part.elements),
            momentum: momentum.part(part.compact), gradientScale: update.gradientScale,
            learningRate: update.learningRate, beta1: options.beta1, beta2: options.beta2,
            weightDecay: options.weightDecay)
    }
}

extension Tensor {
    /// Consecutive elements as a tensor of one dimension, without copying.
    func part(_ range: Range<Int>) -> Tensor { slice(range, shape: [range.count]) }
}
