import Configuration
import Models
import NN
import Tensors

/// Models the distribution of the continuous features of every dropped constituent by flow matching: a linear map to a
/// condition, and a perceptron that learns the velocity on the path from data to noise (arXiv:2409.12589).
///
/// Samples are drawn with a moving average of the weights.
package final class ConditionalFlowMatching: ReconstructionTask {
    /// `tasks.flow_matching` of a configuration.
    package struct Options: Sendable, Equatable {
        package var weight = 1.0
        /// Channels of the condition.
        package var condition = 128
        /// Channels of the hidden layers.
        package var width = 256
        /// Number of hidden layers.
        package var layers = 3
        /// Number of cosines that encode the time.
        package var timeFeatures = 16
        /// Decay of the moving average of the weights.
        package var decay = 0.999

        package init() {}

        package init(from section: Section) throws {
            weight = try section.weight(default: weight)
            condition = try section.int(
                "condition", default: condition, in: 1...65536, help: "channels of the linear map of the condition")
            width = try section.int("width", default: width, in: 1...65536, help: "hidden width of the MLP")
            layers = try section.int("layers", default: layers, in: 1...100, help: "layers of the MLP")
            // Faster cosines than exp(20) have no meaning in single precision.
            timeFeatures = try section.int(
                "time_features", default: timeFeatures, in: 1...20, help: "number of cosines that encode the time")
            decay = try section.double(
                "decay", default: decay, in: .belowOne,
                help: "decay rate of the moving average of the head, which is used for sampling")
        }
    }

    /// The layers whose weights are averaged.
    private struct Network {
        let condition: Linear
        let head: FlowMatchingHead

        init(_ options: Options, width: Int, features: Int, in scope: ParameterScope) {
            condition = Linear(inputs: width, outputs: options.condition, in: scope.scope("condition"))
            head = FlowMatchingHead(
                FlowMatchingHead.Shape(
                    features: features, condition: options.condition, width: options.width, layers: options.layers,
                    timeFeatures: options.timeFeatures),
                in: scope.scope("head"))
        }
    }

    /// First block of the random numbers of times, noise and samples (`MaskedJets.randomSequences`).
    private static let noiseBlock = 64

    package let name = Options.name
    package let weight: Double
    private let features: Int
    private let network: Network
    private let averaged: Network
    /// The averaged weights.
    package let average: MovingAverage

    init(_ options: Options, width: Int, features: Int, in scope: ParameterScope) {
        weight = options.weight
        self.features = features
        network = Network(options, width: width, features: features, in: scope)
        let builder = ParameterBuilder()
        averaged = Network(options, width: width, features: features, in: builder.root)
        average = MovingAverage(of: scope.prefix, as: builder.build(seed: 0), decay: options.decay)
    }

    package func count(_ jets: MaskedJets) -> Double { Double(jets.dropped.values.count) }

    package func loss(_ decoded: Variable, _ jets: MaskedJets, scale: Float, on tape: Tape) -> Double {
        var times: [Float] = []
        let noise = noise(jets, jets.phase.flowStream) { times.append(FlowMatchingPath.time(from: &$0)) }
        tape.lap("noise of the flow")
        return network.head.loss(
            jets.dropped.values, noise: noise, times: times, condition: network.condition(decoded, on: tape),
            scale: scale, on: tape)
    }

    package func sample(_ decoded: Tensor, _ jets: MaskedJets, _ options: SamplingOptions) throws -> Reconstruction {
        let network = average.updates > 0 ? averaged : network
        let condition = network.condition(Variable(constant: decoded), on: Tape(recording: false)).value
        return Reconstruction(
            values: try network.head.generate(
                from: noise(jets, .sampling), condition: condition, solver: options.solver))
    }

    /// Standard normal numbers, one row for each dropped constituent.
    ///
    /// - Parameter first: draws from the sequence of a constituent before its noise.
    private func noise(
        _ jets: MaskedJets, _ stream: RandomStream, first: (inout RandomSequence) -> Void = { _ in }
    ) -> Tensor {
        var randoms = jets.randomSequences(stream, fromBlock: Self.noiseBlock)
        for row in randoms.indices { first(&randoms[row]) }
        return .normal(columns: features, from: randoms)
    }

    package func stepDidEnd(_ parameters: ParameterStore) { average.update(from: parameters) }
    package var state: ObjectiveState { average.state }
    package func restore(_ state: ObjectiveState) throws { try average.restore(state) }
}

extension ConditionalFlowMatching.Options: ReconstructionTaskOptions {
    package static let name = "flow_matching"
    package static let help = "learn the distribution of the features with flow matching"

    package init(from section: Section, version: MaskedParticleVersion) throws {
        try self.init(from: section)
    }

    package func makeTask(_ context: ReconstructionContext) -> any ReconstructionTask {
        ConditionalFlowMatching(self, width: context.width, features: context.jets.features, in: context.scope)
    }
}
