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
            case lion(Lion.Options)
            case muon(Muon.Options)
        }

        /// Creates the optimizer of some parameters.
        ///
        /// - Parameter elements: the elements that this rank updates; nil for all.
        package func makeOptimizer(
            for parameters: ParameterStore, elements: ElementRanges? = nil
        ) -> any NN.Optimizer {
            switch rule {
            case .adamW(let options): AdamW(parameters, options, elements: elements)
            case .lion(let options): Lion(parameters, options, elements: elements)
            case .muon(let options): Muon(parameters, options, elements: elements)
            }
        }

        /// Indices of the parameters that must not be divided among the ranks.
        package func wholeParameters(of store: ParameterStore) -> Set<Int> {
            if case .muon = rule { Muon.wholeParameters(of: store) } else { [] }
        }
    }
}

extension RunOptions.Optimizer {
    package init(from section: Section) throws {
        enum Name: String, CaseIterable { case adamw, lion, muon }
        let name = try section.choice(
            "name", of: Name.self, default: .adamw, .advanced,
            help: "update rule: AdamW; Lion, which needs a learning rate a third to a tenth of AdamW's and a weight "
                + "decay that many times larger; or Muon for the matrices of hidden layers, with AdamW for the others "
                + "([optimization](optimization.md))")
        learningRate = try section.double(
            "learning_rate", default: 1e-3, in: .nonNegative, help: "peak learning rate, which `schedule` scales")
        let weightDecay = try section.double(
            "weight_decay", default: 1e-5, in: .nonNegative,
            help: "decoupled weight decay λ: each step scales parameters by 1 − lr·λ")
        switch name {
        case .adamw: rule = .adamW(try AdamW.Options(from: section, weightDecay: weightDecay))
        case .lion: rule = .lion(try Lion.Options(from: section, weightDecay: weightDecay))
        case .muon: rule = .muon(try Muon.Options(from: section, weightDecay: weightDecay))
        }
        gradientClip = try section.optionalDouble(
            "gradient_clip", default: 1, in: .positive, hint: "; null is no limit",
            help: "maximum norm of the gradient; `null` for no limit")
    }
}

extension AdamW.Options {
    fileprivate init(from section: Section, weightDecay: Double) throws {
        self.init(
            weightDecay: weightDecay,
            beta1: try section.double(
                "beta1", default: 0.9, in: .belowOne, .advanced,
                help: "decay rate of the moving average of the gradient"),
            beta2: try section.double(
                "beta2", default: 0.999, in: .belowOne, .advanced,
                help: "decay rate of the moving average of the squared gradient"),
            epsilon: try section.double(
                "epsilon", default: 1e-8, in: 1e-37...1, .advanced,
                help: "ε in the denominator of the update"))
    }
}

extension Lion.Options {
    fileprivate init(from section: Section, weightDecay: Double) throws {
        self.init(
            weightDecay: weightDecay,
            beta1: try section.double(
                "beta1", default: 0.9, in: .belowOne, .advanced,
                help: "share of the momentum in the direction of the update"),
            beta2: try section.double(
                "beta2", default: 0.99, in: .belowOne, .advanced,
                help: "decay rate of the momentum, the moving average of the gradient"))
    }
}

extension Muon.Options {
    fileprivate init(from section: Section, weightDecay: Double) throws {
        self.init()
        momentum = try section.double(
            "momentum", default: 0.95, in: .belowOne, .advanced,
            help: "decay rate of the moving average of the gradient of matrices")
        isNesterov = try section.bool(
            "nesterov", default: true, .advanced, help: "Nesterov's momentum for matrices")
        iterations = try section.int(
            "iterations", default: 5, in: 1...20, .advanced, help: "Newton–Schulz iterations for matrices")
        stepSize = try section.choice(
            "step_size", default: .matchAdamW, .advanced,
            help: "factor on the learning rate of a matrix: `match_adamw`, 0.2 √max(rows, columns), for learning rates "
                + "and weight decays of AdamW; `original`, √max(1, rows/columns), for learning rates near 0.02")
        othersRate = try section.double(
            "others_rate", default: 1, in: .positive, .advanced,
            help: "learning rate of the parameters that AdamW updates, relative to `learning_rate`")
        others = try AdamW.Options(from: section, weightDecay: weightDecay)
    }
}
