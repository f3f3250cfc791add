import Jets
import Models
import MPI
import NN
import System
import Tensors

/// Masked particle modelling, version 1 (Golling et al., arXiv:2401.13537) and version 2 (Leigh et al.,
/// arXiv:2409.12589): a part of every jet's constituents is hidden, and several tasks recover them from what a network
/// says of them. Losses are means over the hidden constituents of the global batch.
package final class MaskedParticleModelling: Reconstructing {
    package let parameters: ParameterStore
    package let terms: [LossTerm]
    /// The network.
    package let model: any MaskedNetwork
    /// The tasks, in the order of the terms.
    package let tasks: [any ReconstructionTask]
    private let probe: LinearProbe?
    private let inputs: JetInputs
    private let masking: any Masking
    private let hasDropout: Bool
    private let tokenizer: VQVAETokenizer?
    private let seed: UInt64

    /// Version 2.
    package convenience init(_ options: MaskedParticleOptions, _ jets: JetShape, seed: UInt64) {
        let identities = options.usesIdentity ? JetFeatures.identityNames.count : nil
        self.init(
            tasks: options.tasks, masking: options.masking, inputs: JetInputs(.raw, jets, seed: seed),
            tokenizer: options.tokenizer.map { VQVAETokenizer($0, features: jets.features) }, hasDropout: false, jets,
            seed: seed
        ) {
            MaskedParticleModel(
                MaskedParticleModel.Shape(
                    features: jets.features, identities: identities, maxConstituents: jets.maxConstituents,
                    encoder: options.encoder, decoder: options.decoder),
                in: $0)
        }
    }

    /// Version 1.
    package convenience init(_ options: MaskedParticleOptionsV1, _ jets: JetShape, seed: UInt64) {
        let inputs = JetInputs(options.backbone.inputs, jets, seed: seed)
        self.init(
            tasks: options.tasks, masking: options.masking, inputs: inputs,
            tokenizer: inputs.vqvae ?? options.tokenizer.map { VQVAETokenizer($0, features: jets.features) },
            hasDropout: options.backbone.shape.dropout > 0, jets, seed: seed
        ) {
            MaskedParticleModelV1(
                MaskedParticleModelV1.Shape(
                    features: inputs.width, identities: JetFeatures.identityNames.count,
                    maxConstituents: jets.maxConstituents, backbone: options.backbone.shape,
                    hasHeadPosition: options.position == .head, headWidth: options.headWidth),
                in: $0)
        }
    }

    private init(
        tasks: ReconstructionTasks, masking: MaskingStrategy, inputs: JetInputs, tokenizer: VQVAETokenizer?,
        hasDropout: Bool, _ jets: JetShape, seed: UInt64, network: (ParameterScope) -> any MaskedNetwork
    ) {
        let builder = ParameterBuilder()
        model = network(builder.root)
        self.tasks = tasks.make(
            width: model.width, jets, tokenizer: tokenizer, seed: seed, in: builder.root.scope("tasks"))
        probe = tasks.probe.map { [model] options in
            guard let classes = jets.classes else { unreachable("a probe without classes") }
            return LinearProbe(
                options, on: model.backbone, inputs: inputs, classes: classes.count,
                in: builder.root.scope("tasks.probe"))
        }
        terms = self.tasks.map { LossTerm(name: $0.name, weight: $0.weight) } + (probe?.terms ?? [])
        self.masking = masking.masking
        self.inputs = inputs
        self.tokenizer = tokenizer
        self.hasDropout = hasDropout
        parameters = builder.build(seed: seed)
        self.seed = seed
    }

    package var needsMomenta: Bool { masking.needsMomenta }
    package var tokenizerParameters: ParameterStore? { tokenizer?.parameters }

    /// What makes tokens by k-means, of the tasks and of the inputs.
    package var kmeansTokenizers: [KMeansTokenizer] {
        (tasks.map { ($0 as? TokenClassification)?.tokenizer } + [inputs.tokenizer]).compactMap { $0 as? KMeansTokenizer }
    }

    package func prepare(_ batch: JetBatch, phase: Phase) -> MicroBatch {
        let isDropped = masking.dropped(in: batch, seed: seed, stream: phase.maskingStream)
        let keys = hasDropout && phase.isTraining
            ? TokenKeys(seed: seed, epoch: batch.epoch, jets: batch.jets, offsets: batch.offsets) : nil
        return prepare(MaskedJets(batch, isDropped: isDropped, phase: phase, seed: seed), keys: keys)
    }

    /// Prepares jets whose hidden constituents are already chosen.
    package func prepare(_ jets: MaskedJets, keys: TokenKeys? = nil) -> MicroBatch {
        let counts = tasks.map { $0.count(jets) } + (probe?.counts(jets) ?? [])
        return MicroBatch(counts: counts) { [model, tasks, probe, inputs] scales, tape in
            let decoded = model(inputs(jets.constituents), keys: keys, on: tape)
            let sums = zip(tasks, scales).map { $0.loss(decoded, jets, scale: $1, on: tape) }
            return sums + (probe?.sums(jets, scale: scales[tasks.count], on: tape) ?? [])
        }
    }

    package func stepDidEnd(_ step: Int, isSkipped: Bool, on communicator: Communicator) -> [Double] {
        if !isSkipped { for task in tasks { task.stepDidEnd(parameters) } }
        return []
    }

    /// Particle identification recovers no features; it adds the identities to what the other tasks recover.
    package var reconstructions: [String] { tasks.map(\.name).filter { $0 != "particle_id" } }

    package func reconstruct(_ jets: MaskedJets, _ options: SamplingOptions) throws -> [Reconstruction] {
        let decoded = model(inputs(jets.constituents), keys: nil, on: Tape(recording: false)).value
        let found = try tasks.map { try $0.sample(decoded, jets, options) }
        let identities = found.lazy.compactMap(\.identities).first
        return found.filter { $0.values != nil }.map {
            Reconstruction(values: $0.values, identities: $0.identities ?? identities)
        }
    }

    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        try inputs.fit(to: jets, on: communicator, report: report)
        for task in tasks { try task.fit(to: jets, on: communicator, report: report) }
    }

    package var state: ObjectiveState {
        var state = ObjectiveState()
        for task in tasks { state["tasks/\(task.name)"] = task.state }
        state[JetInputs.stateName] = inputs.state
        if let tokenizer { state[VQVAETokenizer.stateName] = tokenizer.weights }
        return state
    }

    package func restore(_ state: ObjectiveState) throws {
        for task in tasks { try task.restore(state["tasks/\(task.name)"]) }
        try inputs.restore(state[JetInputs.stateName])
        try tokenizer?.restore(weights: state[VQVAETokenizer.stateName])
    }
}

extension Constituents {
    /// The constituents of a batch.
    package init(_ batch: JetBatch) {
        self.init(values: batch.values, identities: batch.identities, offsets: batch.offsets)
    }
}
