import System
import Tensors

/// Muon (Jordan et al., kellerjordan.github.io/posts/muon; `torch.optim.Muon`) for the matrices of hidden layers, and
/// AdamW for all other parameters:
///
///     m ← μ m + (1 − μ) g        u = μ m + (1 − μ) g        p ← p (1 − η λ) − η r orthogonalized(u)
///
/// Hidden are the matrices with `Parameter.isHiddenWeight`: those of attention, of feed-forward networks, and between
/// hidden layers of most perceptrons. AdamW updates embeddings, heads, norms, biases, scales, tokens and codes.
/// Queries, keys and values together are one matrix, as they are stored.
///
/// The update of a matrix needs its whole gradient, so that each has to belong to one rank (`wholeParameters`).
package final class Muon: Optimizer {
    /// Factor r on the learning rate of a matrix.
    package enum StepSize: String, CaseIterable, Sendable {
        /// 0.2 √max(rows, columns): elements change as much as with AdamW, whose learning rates and weight decays then
        /// fit (Liu et al., arXiv:2502.16982).
        case matchAdamW = "match_adamw"
        /// √max(1, rows / columns), for learning rates near 0.02.
        case original

        func factor(_ shape: [Int]) -> Double {
            let (rows, columns) = (Double(shape[0]), Double(shape[1]))
            return switch self {
            case .matchAdamW: 0.2 * max(rows, columns).squareRoot()
            case .original: max(1, rows / columns).squareRoot()
            }
        }
    }

    package struct Options: Sendable, Equatable {
        /// μ, the decay rate of the moving average of the gradient.
        package var momentum = 0.95
        /// True for Nesterov's momentum, false for u = m.
        package var isNesterov = true
        /// Newton–Schulz iterations.
        package var iterations = 5
        package var stepSize = StepSize.matchAdamW
        /// Options of AdamW, with the weight decay λ of all parameters.
        package var others = AdamW.Options()
        /// Learning rate of the parameters that AdamW updates, relative to that of the matrices.
        package var othersRate = 1.0

        package init() {}
    }

    package let parameters: ParameterStore
    package var state: OptimizerState
    private let options: Options

    /// Moving average m of the gradient, of all parameters.
    package var firstMoment: Tensor { state.entries[0].values }
    /// Moving average of the squared gradient of parameters that AdamW updates; 0 for matrices.
    package var secondMoment: Tensor { state.entries[1].values }

    /// - Parameter elements: the elements to update, with whole matrices; nil for all.
    package init(_ parameters: ParameterStore, _ options: Options = Options(), elements: ElementRanges? = nil) {
        self.parameters = parameters
        self.options = options
        state = OptimizerState(of: "muon", ["first_moment", "second_moment"], for: parameters, elements: elements)
    }

    /// Indices of the parameters whose updates need the whole gradient.
    package static func wholeParameters(of store: ParameterStore) -> Set<Int> {
        Set(store.parameters.indices.filter { store.parameters[$0].isHiddenWeight })
    }

    package func update(_ part: ElementRanges.Part, _ update: OptimizerUpdate) {
        /// The same elements, which lie in the part, as a part.
        func sub(_ elements: Range<Int>) -> ElementRanges.Part {
            let first = part.compact.lowerBound + elements.lowerBound - part.elements.lowerBound
            return ElementRanges.Part(elements: elements, compact: first..<first + elements.count)
        }
        var next = part.elements.lowerBound
        for parameter in parameters.parameters where parameter.isHiddenWeight {
            guard parameter.range.overlaps(part.elements) else { continue }
            invariant(
                parameter.range.clamped(to: part.elements) == parameter.range,
                "\(parameter.name) is divided, but Muon updates whole matrices")
            updateOthers(sub(next..<parameter.range.lowerBound), update)
            updateMatrix(parameter, sub(parameter.range), update)
            next = parameter.range.upperBound
        }
        updateOthers(sub(next..<part.elements.upperBound), update)
    }

    private func updateMatrix(_ parameter: Parameter, _ part: ElementRanges.Part, _ update: OptimizerUpdate) {
        let direction = Tensor.muonDirection(
            gradient: parameters.gradients.slice(part.elements, shape: parameter.shape),
            momentum: firstMoment.part(part.compact), gradientScale: update.gradientScale, rate: options.momentum,
            isNesterov: options.isNesterov
        ).orthogonalized(iterations: options.iterations)
        parameters.values.part(part.elements).scale(
            by: Float(1 - update.learningRate * options.others.weightDecay), adding: direction,
            times: -Float(update.learningRate * options.stepSize.factor(parameter.shape)))
    }

    private func updateOthers(_ part: ElementRanges.Part, _ update: OptimizerUpdate) {
        guard !part.elements.isEmpty else { return }
        var update = update
        update.learningRate *= options.othersRate
        options.others.update(part, of: parameters, moments: (firstMoment, secondMoment), update)
    }
}
