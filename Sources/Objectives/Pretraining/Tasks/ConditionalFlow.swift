import Configuration
import Jets
import Models
import NN
import Tensors

/// Recovers the density of the continuous features of every dropped constituent: a linear map to a context, a
/// coupling flow that it conditions, and the negative log-likelihood.
///
/// Noise on the impact parameters keeps the density finite where the data have steps.
package final class ConditionalFlow: ReconstructionTask {
    /// `tasks.flow` of a configuration.
    package struct Options: Sendable, Equatable {
        package var weight = 1.0
        /// Channels of the context.
        package var context = 128
        /// Coupling layers.
        package var layers = 6
        /// Hidden channels of each network.
        package var width = 128
        /// Hidden layers of each network.
        package var depth = 2
        /// Bins of a spline.
        package var bins = 8
        /// Beyond ± this the map is the identity.
        package var tailBound = 4.0
        /// Standard deviation of the noise on the impact parameters.
        package var noise = 0.05

        package init() {}

        package init(from section: Section) throws {
            weight = try section.double("weight", default: weight, in: .nonNegative)
            context = try section.int("context", default: context, in: 1...65536)
            layers = try section.int("layers", default: layers, in: 1...1000)
            width = try section.int("width", default: width, in: 1...65536)
            depth = try section.int("depth", default: depth, in: 1...100)
            bins = try section.int("bins", default: bins, in: 2...SplineForm.maximumBins)
            tailBound = try section.double("tail_bound", default: tailBound, in: .positive)
            noise = try section.double("noise", default: noise, in: .nonNegative)
        }
    }

    package let name = "flow"
    package let weight: Double
    private let noise: Float
    private let impactParameters: [Int]
    private let context: Linear
    private let flow: CouplingFlow

    package init(_ options: Options, width: Int, _ jets: JetShape, in scope: ParameterScope) {
        weight = options.weight
        noise = Float(options.noise)
        impactParameters = jets.impactParameters
        context = Linear(inputs: width, outputs: options.context, in: scope.scope("context"))
        flow = CouplingFlow(
            CouplingFlow.Shape(
                features: jets.features, context: options.context, layers: options.layers,
                width: options.width,
                depth: options.depth, spline: SplineForm(bins: options.bins, bound: Float(options.tailBound))),
            in: scope.scope("flow"))
    }

    package func count(_ jets: MaskedJets) -> Double { Double(jets.dropped.offsets.tokens) }

    package func loss(_ decoded: Variable, _ jets: MaskedJets, scale: Float, on tape: Tape) -> Double {
        let values = blurred(jets)
        tape.lap("noise of the flow")
        return flow.negativeLogLikelihood(
            Variable(constant: values), context: context(decoded, on: tape), scale: scale, on: tape)
    }

    /// ln p of every dropped constituent, as it is.
    package func logDensity(_ decoded: Tensor, _ jets: MaskedJets) -> [Double] {
        flow.logDensity(of: jets.dropped.values, context: context(of: decoded))
    }

    package func sample(_ decoded: Tensor, _ jets: MaskedJets, _ options: SamplingOptions) -> Reconstruction {
        let features = flow.shape.features
        let z = Tensor(shape: [decoded.rows, features])
        for (row, random) in jets.randomSequences(.sampling, for: .flow).enumerated() {
            var random = random
            for feature in 0..<features { z.pointer[row * features + feature] = random.normal() }
        }
        return Reconstruction(values: flow.inverse(z, context: context(of: decoded)))
    }

    private func context(of decoded: Tensor) -> Tensor {
        context(Variable(constant: decoded), on: Tape(recording: false)).value
    }

    private func blurred(_ jets: MaskedJets) -> Tensor {
        let values = jets.dropped.values
        guard noise > 0, !impactParameters.isEmpty else { return values }
        let (result, columns) = (values.copy(), values.columns)
        for (row, random) in jets.randomSequences(jets.phase.flowStream, for: .flow).enumerated() {
            var random = random
            for column in impactParameters {
                result.pointer[row * columns + column] += noise * random.normal()
            }
        }
        return result
    }
}
