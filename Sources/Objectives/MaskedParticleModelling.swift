import Jets
import MPI
import Models
import NN
import Tensors

/// Pre-training of version 2 (Leigh et al., arXiv:2409.12589): a part of every jet's constituents is dropped, and several
/// tasks recover them from the decoder's outputs. Losses are means over the dropped constituents of the global batch.
public final class MaskedParticleModelling: Objective {
    public let parameters: ParameterStore
    public let terms: [LossTerm]
    /// The network.
    public let model: MaskedParticleModel
    /// The tasks, in the order of the terms.
    public let tasks: [any ReconstructionTask]
    private let masking: any Masking
    private let seed: UInt64

    public init(_ options: MaskedParticleOptions, features: Int, maxConstituents: Int, seed: UInt64) {
        let builder = ParameterBuilder()
        let identities = JetFeatures.identityNames.count
        model = MaskedParticleModel(
            MaskedParticleModel.Shape(
                features: features, identities: identities, maxConstituents: maxConstituents,
                encoder: options.encoder, decoder: options.decoder),
            in: builder.root)
        let width = options.decoder.width
        let scope = builder.root.scope("tasks")
        var tasks: [any ReconstructionTask] = []
        if let task = options.tasks.particleID {
            tasks.append(
                ParticleIdentification(
                    task, width: width, identities: identities, in: scope.scope(ParticleIdentification.name)))
        }
        if let task = options.tasks.regression {
            tasks.append(Regression(task, width: width, features: features, in: scope.scope(Regression.name)))
        }
        if let task = options.tasks.kmeans {
            tasks.append(
                KMeansTokens(
                    task, width: width, features: features, seed: seed, in: scope.scope(KMeansTokens.name)))
        }
        self.tasks = tasks
        terms = tasks.map { LossTerm(name: type(of: $0).name, weight: $0.weight) }
        masking = options.masking.masking
        parameters = builder.build(seed: seed)
        self.seed = seed
    }

    public var needsMomenta: Bool { masking.needsMomenta }

    public func prepare(_ batch: JetBatch, phase: Phase) -> MicroBatch {
        let isDropped = masking.dropped(in: batch, seed: seed, stream: phase.maskingStream)
        return prepare(MaskedConstituents(Constituents(batch), isDropped: isDropped))
    }

    /// Prepares jets whose dropped constituents are already chosen.
    package func prepare(_ jets: MaskedConstituents) -> MicroBatch {
        MicroBatch(counts: tasks.map { $0.count(jets.dropped) }) { [model, tasks] scales, tape in
            let decoded = model(jets, on: tape)
            return zip(tasks, scales).map { $0.loss(decoded, jets.dropped, scale: $1, on: tape) }
        }
    }

    public func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        for task in tasks { try task.fit(to: jets, on: communicator, report: report) }
    }

    public var state: ObjectiveState {
        var state = ObjectiveState()
        for task in tasks { state["tasks/\(type(of: task).name)"] = task.state }
        return state
    }

    public func restore(_ state: ObjectiveState) throws {
        for task in tasks { try task.restore(state["tasks/\(type(of: task).name)"]) }
    }
}

extension Constituents {
    /// The constituents of a batch.
    public init(_ batch: JetBatch) {
        self.init(values: batch.values, identities: batch.identities, offsets: batch.offsets)
    }
}
