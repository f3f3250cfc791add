import Tensors

/// AdamW (Loshchilov and Hutter, arXiv:1711.05101) over the flat buffers of a store:
///
///     m ← β₁ m + (1 − β₁) g        v ← β₂ v + (1 − β₂) g²
///     p ← p (1 − η λ) − η (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
public final class AdamW {
    /// The constants of the update.
    public struct Options: Sendable, Equatable {
        public var weightDecay: Double
        public var beta1: Double
        public var beta2: Double
        public var epsilon: Double

        public init(weightDecay: Double = 1e-5, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8) {
            self.weightDecay = weightDecay
            self.beta1 = beta1
            self.beta2 = beta2
            self.epsilon = epsilon
        }
    }

    /// The moving average of the gradient.
    public let firstMoment: Tensor
    /// The moving average of the squared gradient.
    public let secondMoment: Tensor
    /// The number of updates so far.
    public var updates = 0
    private let options: Options
    private let store: ParameterStore

    public init(_ store: ParameterStore, _ options: Options = Options()) {
        self.store = store
        self.options = options
        firstMoment = Tensor(repeating: 0, shape: store.values.shape)
        secondMoment = Tensor(repeating: 0, shape: store.values.shape)
    }

    /// Updates all parameters from the gradients in the store, multiplied by `gradientScale` first.
    public func step(learningRate: Double, gradientScale: Float = 1) {
        updates += 1
        Tensor.adamW(
            parameters: store.values, gradients: store.gradients, firstMoment: firstMoment,
            secondMoment: secondMoment, gradientScale: gradientScale, learningRate: learningRate,
            beta1: options.beta1, beta2: options.beta2, epsilon: options.epsilon, weightDecay: options.weightDecay,
            update: updates)
    }
}

/// The factor that brings a gradient of the given norm to at most `limit`: min(1, limit / (norm + 1e-6)), as PyTorch's
/// `clip_grad_norm_`.
public func clippingFactor(norm: Double, limit: Double?) -> Float {
    guard let limit else { return 1 }
    return Float(min(1, limit / (norm + 1e-6)))
}
