import Configuration
import Jets
import Models
import NN
import Tensors

/// Models the density of the continuous features of every dropped constituent: a linear map to a context, a coupling
/// flow conditioned on it, and the negative log-likelihood (arXiv:2409.12589).
///
/// Noise on the impact parameters keeps the density finite at the discrete values of the data.
package final class ConditionalFlow: ReconstructionTask {
    /// `tasks.flow` of a configuration.
    package struct Options: Sendable, Equatable {
        package var weight = 1.0
        /// Channels of the context.
        package var condition = 128
        /// Maps of each network whose input includes the context.
        package var context = CouplingFlow.ContextPlace.input
        /// Coupling layers.
        package var layers = 6
        /// Channels of the hidden layers of each network.
        package var width = 128
        /// Hidden layers of each network.
        package var depth = 2
        /// Bins of each spline.
        package var bins = 8
        /// Bound of the splines; the map is the identity outside ± this.
        package var tailBound = 4.0
        /// Standard deviation of the noise on the impact parameters.
        package var noise = 0.05

        package init() {}

        package init(from section: Section) throws {
            weight = try section.weight(default: weight)
            condition = try section.int(
                "condition", default: condition, in: 1...65536, help: "channels of the linear map of the condition")
            context = try section.choice(
                "context", default: context,
                help: "layers of the coupling networks that receive the condition: input and hidden layers (`input`), "
                    + "or hidden layers and output (`hidden`, as in checkpoints without this key)")
            layers = try section.int("layers", default: layers, in: 1...1000, help: "number of coupling layers")
            width = try section.int("width", default: width, in: 1...65536, help: "width of the coupling networks")
            depth = try section.int(
                "depth", default: depth, in: 1...100, help: "hidden layers of the coupling networks")
            bins = try section.int("bins", default: bins, in: 2...SplineForm.maximumBins, help: "bins of the splines")
            tailBound = try section.double(
                "tail_bound", default: tailBound, in: .positive,
                help: "half-width of the interval of the splines; the map is the identity outside")
            noise = try section.double(
                "noise", default: noise, in: .nonNegative,
                help: "standard deviation of the noise added to the impact parameters")
        }
    }

    /// First block of the random numbers of noise and samples (`MaskedJets.randomSequences`).
    private static let noiseBlock = 0

    package let name = Options.name
    package let weight: Double
    private let noise: Float
    private let impactParameters: [Int]
    private let context: Linear
    private let flow: CouplingFlow

    init(_ options: Options, width: Int, _ jets: JetShape, in scope: ParameterScope) {
        weight = options.weight
        noise = Float(options.noise)
        impactParameters = jets.impactParameters
        context = Linear(inputs: width, outputs: options.condition, in: scope.scope("context"))
        flow = CouplingFlow(
            CouplingFlow.Shape(
                features: jets.features, context: options.condition, layers: options.layers, width: options.width,
                depth: options.depth, contextPlace: options.context,
                spline: SplineForm(bins: options.bins, bound: Float(options.tailBound))),
            in: scope.scope("flow"))
    }

    package func count(_ jets: MaskedJets) -> Double { Double(jets.dropped.offsets.tokens) }

    package func loss(_ decoded: Variable, _ jets: MaskedJets, scale: Float, on tape: Tape) -> Double {
        let values = valuesWithNoise(jets)
        tape.lap("noise of the flow")
        return flow.negativeLogLikelihood(
            Variable(constant: values), context: context(decoded, on: tape), scale: scale, on: tape)
    }

    package func sample(_ decoded: Tensor, _ jets: MaskedJets, _ options: SamplingOptions) -> Reconstruction {
        let z = Tensor.normal(
            columns: flow.shape.features, from: jets.randomSequences(.sampling, fromBlock: Self.noiseBlock))
        return Reconstruction(values: flow.inverse(z, context: context(of: decoded)))
    }

    private func context(of decoded: Tensor) -> Tensor {
        context(Variable(constant: decoded), on: Tape(recording: false)).value
    }

    /// Features of the dropped constituents with noise added to the impact parameters.
    private func valuesWithNoise(_ jets: MaskedJets) -> Tensor {
        let values = jets.dropped.values
        guard noise > 0, !impactParameters.isEmpty else { return values }
        let (result, columns) = (values.copy(), values.columns)
        let sequences = jets.randomSequences(jets.phase.flowStream, fromBlock: Self.noiseBlock)
        for (row, random) in sequences.enumerated() {
            var random = random
            for column in impactParameters {
                result.pointer[row * columns + column] += noise * random.normal()
            }
        }
        return result
    }
}

extension ConditionalFlow.Options: ReconstructionTaskOptions {
    package static let name = "flow"
    package static let help = "learn the density of the features with a normalising flow"

    package init(from section: Section, version: MaskedParticleVersion) throws {
        try self.init(from: section)
    }

    package func makeTask(_ context: ReconstructionContext) -> any ReconstructionTask {
        ConditionalFlow(self, width: context.width, context.jets, in: context.scope)
    }
}
