import Configuration
import NN

extension RunOptions {
    /// `optimizer`: update rule, learning rate and gradient clipping.
    package struct Optimizer: Sendable {
        package var rule: Rule
        /// Peak learning rate, which the schedule scales.
        package var learningRate: Double
        /// Largest norm of the gradient; nil for no limit.
        package var gradientClip: Double?

        /// Optimizers with their own options.
        package enum Rule: Sendable, Equatable {
            case adamW(AdamW.Options)
        }

        /// Creates the optimizer of some parameters.
        ///
        /// - Parameter elements: the elements that this rank updates; nil for all.
        package func makeOptimizer(
            for parameters: ParameterStore, elements: ElementRanges? = nil
        ) -> any NN.Optimizer {
            switch rule {
            case .adamW(let options): AdamW(parameters, options, elements: elements)
            }
        }
    }
}

extension RunOptions.Optimizer {
    package init(from section: Section) throws {
        enum Name: String, CaseIterable { case adamw }
        let name = try section.choice(
            "name", of: Name.self, default: .adamw, .advanced, help: "optimizer; AdamW is the only one")
        learningRate = try section.double(
            "learning_rate", default: 1e-3, in: .nonNegative, help: "peak learning rate, which `schedule` scales")
        switch name {
        case .adamw:
            rule = .adamW(
                AdamW.Options(
                    weightDecay: try section.double(
                        "weight_decay", default: 1e-5, in: .nonNegative,
                        help: "decoupled weight decay λ: each step scales parameters by 1 − lr·λ"),
                    beta1: try section.double(
                        "beta1", default: 0.9, in: .belowOne, .advanced,
                        help: "decay rate of the moving average of the gradient"),
                    beta2: try section.double(
                        "beta2", default: 0.999, in: .belowOne, .advanced,
                        help: "decay rate of the moving average of the squared gradient"),
                    epsilon: try section.double(
                        "epsilon", default: 1e-8, in: .positive, .advanced,
                        help: "ε in the denominator of the update")))
        }
        gradientClip = try section.optionalDouble(
            "gradient_clip", default: 1, in: .nonNegative, help: "maximum norm of the gradient; `null` for no limit")
    }
}
