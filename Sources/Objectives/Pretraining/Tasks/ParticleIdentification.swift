import Configuration
import Jets
import MPI
import NN
import Tensors

/// Classifies the identity of every dropped constituent: a linear map to one logit for each identity,
/// and the cross-entropy.
package final class ParticleIdentification: ReconstructionTask {
    /// `tasks.particle_id` of a configuration.
    package struct Options: Sendable, Equatable {
        package var weight = 0.3
        package var labelSmoothing = 0.1
        package var classWeights = IdentityWeights.equal

        package init() {}

        package init(from section: Section, labelSmoothing: Double = 0.1) throws {
            weight = try section.weight(default: weight)
            self.labelSmoothing = try section.labelSmoothing(default: labelSmoothing)
            classWeights = try IdentityWeights(from: section)
        }
    }

    /// First block of the random numbers of samples (`MaskedJets.randomSequences`).
    private static let samplingBlock = 192

    package let name = Options.name
    package let weight: Double
    private let labelSmoothing: Float
    private let head: Linear
    private let options: Options
    private let identities: Int
    /// Weight of each identity; nil for equal weights, and before balanced weights are fitted.
    private var classWeights: Tensor?

    package init(_ options: Options, width: Int, identities: Int, in scope: ParameterScope) {
        (self.options, self.identities) = (options, identities)
        weight = options.weight
        labelSmoothing = Float(options.labelSmoothing)
        head = Linear(inputs: width, outputs: identities, in: scope.scope("head"))
        if case .given(let weights) = options.classWeights {
            classWeights = Tensor(weights.map { Float($0) }, shape: [weights.count])
        }
    }

    package func count(_ jets: MaskedJets) -> Double {
        guard let classWeights else { return Double(jets.dropped.offsets.tokens) }
        return jets.dropped.identities.reduce(0) { $0 + Double(classWeights.buffer[Int($1)]) }
    }

    package func loss(_ decoded: Variable, _ jets: MaskedJets, scale: Float, on tape: Tape) -> Double {
        tape.crossEntropy(
            head(decoded, on: tape), target: jets.dropped.identities, smoothing: labelSmoothing,
            classWeights: classWeights, scale: scale)
    }

    package func sample(_ decoded: Tensor, _ jets: MaskedJets, _ options: SamplingOptions) -> Reconstruction {
        let logits = head(Variable(constant: decoded), on: Tape(recording: false)).value
        return Reconstruction(
            identities: logits.classes(
                jets.randomSequences(.sampling, fromBlock: Self.samplingBlock), options))
    }

    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        guard options.classWeights == .balanced else { return }
        let weights = try IdentityWeights.balanced(in: jets, on: communicator)
        report(
            "particle_id: weights "
                + zip(jets.preprocessing.features.identities.names, weights.array).map { name, weight in
                    "\(name) \((weight * 1000).rounded() / 1000)"
                }.joined(separator: ", "))
        classWeights = weights
    }

    package var state: ObjectiveState {
        var state = ObjectiveState()
        if options.classWeights == .balanced { state.tensors["class_weights"] = classWeights }
        return state
    }

    package func restore(_ state: ObjectiveState) throws {
        guard options.classWeights == .balanced else { return }
        classWeights = try state.tensor(
            "class_weights", shape: [identities],
            wanted: "tasks.particle_id.class_weights is balanced")
    }
}

extension ParticleIdentification.Options: ReconstructionTaskOptions {
    package static let name = "particle_id"
    package static let help = "reconstruct the particle identity"

    package init(from section: Section, version: MaskedParticleVersion) throws {
        try self.init(from: section, labelSmoothing: version == .v1 ? 0 : 0.1)
    }

    package func makeTask(_ context: ReconstructionContext) -> any ReconstructionTask {
        ParticleIdentification(
            self, width: context.width, identities: context.jets.identities, in: context.scope)
    }
}
