import Foundation
import NN
import System
import Tensors

/// Conditional normalising flow of coupling layers with rational-quadratic splines (Durkan et al., arXiv:1906.04032):
/// the density of features given a context, and samples from it.
///
/// Every layer transforms one half of the features by splines whose parameters a network computes from the other half
/// and the context, and the other half by splines with parameters of the layer. The halves alternate from layer to
/// layer. An untrained flow is the identity.
package struct CouplingFlow {
    /// Maps of each network whose input includes the context.
    package enum ContextPlace: String, CaseIterable, Sendable {
        /// The input and the hidden maps, as in the authors' code of August 2024.
        case input
        /// The hidden maps and the output map, as in normflows.
        case hidden
    }

    /// Hyperparameters.
    package struct Shape: Sendable, Equatable {
        /// Number of features, at least two.
        package var features: Int
        /// Channels of the context.
        package var context: Int
        /// Number of coupling layers.
        package var layers: Int
        /// Channels of the hidden layers of each network.
        package var width: Int
        /// Number of hidden layers of each network.
        package var depth: Int
        package var contextPlace: ContextPlace
        package var spline: SplineForm

        /// One argument for each hyperparameter, with the defaults of version 2 (arXiv:2409.12589).
        package init(
            features: Int, context: Int, layers: Int = 6, width: Int = 128, depth: Int = 2,
            contextPlace: ContextPlace = .input, spline: SplineForm = SplineForm()
        ) {
            self.features = features
            self.context = context
            self.layers = layers
            self.width = width
            self.depth = depth
            self.contextPlace = contextPlace
            self.spline = spline
        }
    }

    package let shape: Shape
    /// In the order from noise to data.
    private let layers: [CouplingLayer]

    package init(_ shape: Shape, in scope: ParameterScope) {
        invariant(shape.features >= 2, "a coupling needs at least two features, found \(shape.features)")
        invariant(shape.depth >= 1, "the networks need a hidden layer, found \(shape.depth)")
        self.shape = shape
        layers = (0..<shape.layers).map {
            CouplingLayer(shape, transforms: $0 % 2 == 0 ? 1 : 0, in: scope.scope("layers.\($0)"))
        }
    }

    /// Maps features `[tokens, features]` to standard normal numbers z, in single precision.
    ///
    /// - Parameter context: `[tokens, context]`.
    /// - Returns: `[z | ln |det dz/dx|]`, `[tokens, features + 1]`.
    package func callAsFunction(_ x: Variable, context: Variable, on tape: Tape) -> Variable {
        let start = Variable(constant: Tensor(repeating: 0, shape: [x.value.rows, 1]))
        return tape.inSinglePrecision {
            layers.reversed().reduce(tape.concatenateColumns([x, start])) { $1($0, context, on: tape) }
        }
    }

    /// Negative log-likelihood −ln p(x | context), summed over the tokens.
    ///
    /// - Parameters:
    ///   - x: `[tokens, features]`.
    ///   - context: `[tokens, context]`.
    ///   - scale: factor of this sum in the total loss.
    package func negativeLogLikelihood(_ x: Variable, context: Variable, scale: Float, on tape: Tape) -> Double {
        tape.normalNegativeLogLikelihood(self(x, context: context, on: tape), scale: scale)
    }

    /// Maps standard normal numbers to features: samples from the density if z is random.
    ///
    /// - Parameters:
    ///   - z: `[tokens, features]`.
    ///   - context: `[tokens, context]`.
    package func inverse(_ z: Tensor, context: Tensor) -> Tensor {
        let tape = Tape(recording: false)
        let start = Variable(constant: Tensor(repeating: 0, shape: [z.rows, 1]))
        let state = tape.concatenateColumns([Variable(constant: z), start])
        let result = layers.reduce(state.value) { $1.inverse($0, Variable(constant: context)) }
        return tape.pickColumns(Variable(constant: result), index: Array(0..<shape.features)).value
    }
}

/// A coupling layer between two halves of the features.
private struct CouplingLayer {
    private let kept: [Int]
    private let transformed: [Int]
    private let widths: ParameterSlot
    private let heights: ParameterSlot
    private let derivatives: ParameterSlot
    private let network: ContextNetwork
    private let form: SplineForm
    private let scale: Float

    /// - Parameter transforms: 0 if the network transforms the even features, 1 if it transforms the odd ones.
    init(_ shape: CouplingFlow.Shape, transforms: Int, in scope: ParameterScope) {
        let kept = (0..<shape.features).filter { $0 % 2 != transforms }
        let form = shape.spline
        // The parameter of a derivative of one, the slope of bins of equal width and height.
        let one = Float(log(exp(1 - Double(form.minimumDerivative)) - 1))
        let splines = scope.scope("spline")
        func slot(_ name: String, _ columns: Int, _ value: Float) -> ParameterSlot {
            splines.parameter(name, shape: [kept.count, columns], .constant(value))
        }
        widths = slot("widths", form.bins, 0)
        heights = slot("heights", form.bins, 0)
        derivatives = slot("derivatives", form.bins - 1, one)
        transformed = (0..<shape.features).filter { $0 % 2 == transforms }
        network = ContextNetwork(
            shape, inputs: kept.count, outputs: transformed.count * form.parameters, outputBias: one,
            in: scope.scope("network"))
        // Keeps the scale of widths and heights independent of the number of hidden channels.
        scale = 1 / Float(shape.width).squareRoot()
        (self.kept, self.form) = (kept, form)
    }

    /// From data to noise: transforms both halves; the input of the network is the other half before its
    /// transformation.
    func callAsFunction(_ state: Variable, _ context: Variable, on tape: Tape) -> Variable {
        let parameters = network(tape.pickColumns(state, index: kept), context, on: tape)
        let result = tape.rationalQuadraticSpline(
            state, features: kept, parameters: shared(on: tape), form: form)
        return tape.rationalQuadraticSpline(
            result, features: transformed, parameters: parameters, form: form, scale: scale)
    }

    func inverse(_ state: Tensor, _ context: Variable) -> Tensor {
        let tape = Tape(recording: false)
        let result = state.invertingSpline(features: kept, parameters: shared(on: tape).value, form: form)
        let parameters = network(tape.pickColumns(Variable(constant: result), index: kept), context, on: tape)
        return result.invertingSpline(
            features: transformed, parameters: parameters.value, form: form, scale: scale)
    }

    private func shared(on tape: Tape) -> Variable {
        tape.concatenateColumns([widths.variable, heights.variable, derivatives.variable])
    }
}

/// Perceptron with SiLU whose context is an input of every map but the last or the first.
private struct ContextNetwork {
    private let contextPlace: CouplingFlow.ContextPlace
    private let input: Linear
    private let hidden: [Linear]
    private let output: Linear

    init(_ shape: CouplingFlow.Shape, inputs: Int, outputs: Int, outputBias: Float, in scope: ParameterScope) {
        let (width, context) = (shape.width, shape.context)
        contextPlace = shape.contextPlace
        input = Linear(
            inputs: inputs + (contextPlace == .input ? context : 0), outputs: width, in: scope.scope("input"))
        hidden = (0..<shape.depth - 1).map {
            Linear(inputs: width + context, outputs: width, in: scope.hidden.scope("hidden.\($0)"))
        }
        output = Linear(
            inputs: width + (contextPlace == .hidden ? context : 0), outputs: outputs, weight: .constant(0),
            bias: .constant(outputBias), in: scope.scope("output"))
    }

    func callAsFunction(_ x: Variable, _ context: Variable, on tape: Tape) -> Variable {
        func withContext(_ x: Variable) -> Variable { tape.concatenateColumns([x, context]) }
        var h = tape.silu(input(contextPlace == .input ? withContext(x) : x, on: tape))
        for layer in hidden { h = tape.silu(layer(withContext(h), on: tape)) }
        return output(contextPlace == .hidden ? withContext(h) : h, on: tape)
    }
}
