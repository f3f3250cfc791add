import Jets
import MPI
import Models
import NN
import System
import Tensors

/// Masked particle modelling, version 1 (Golling et al., arXiv:2401.13537) and version 2 (Leigh et al.,
/// arXiv:2409.12589): some constituents of every jet are dropped, and several tasks recover them from the outputs of a
/// network. Losses are means over the dropped constituents of the global batch.
package final class MaskedParticleModelling: Objective, Reconstructor {
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
    /// The trained tokenizer of the inputs or of a task; its weights are stored once.
    private let tokenizer: (any Tokenizer)?
    private let seed: UInt64

    /// Version 2.
    package convenience init(_ options: MaskedParticleOptions, _ jets: JetShape, seed: UInt64) {
        let network = Network(
            inputs: JetInputs(.raw, jets),
            tokenizer: options.tokenizer.map { VQVAETokenizer($0, features: jets.features) }, hasDropout: false
        ) {
            MaskedParticleModel(
                MaskedParticleModel.Shape(
                    features: jets.features, identities: options.usesIdentity ? jets.identities : nil,
                    maxConstituents: jets.maxConstituents, encoder: options.encoder, decoder: options.decoder),
                in: $0)
        }
        self.init(network, options.tasks, options.masking, jets, seed: seed)
    }

    /// Version 1.
    package convenience init(_ options: MaskedParticleOptionsV1, _ jets: JetShape, seed: UInt64) {
        let inputs = JetInputs(options.backbone.inputs, jets)
        let network = Network(
            inputs: inputs,
            tokenizer: inputs.pretrained ?? options.tokenizer.map { VQVAETokenizer($0, features: jets.features) },
            hasDropout: options.backbone.shape.dropout > 0
        ) {
            MaskedParticleModelV1(
                MaskedParticleModelV1.Shape(
                    features: inputs.width, identities: jets.identities,
                    maxConstituents: jets.maxConstituents, backbone: options.backbone.shape,
                    position: options.position, headWidth: options.headWidth),
                in: $0)
        }
        self.init(network, options.tasks, options.masking, jets, seed: seed)
    }

    /// The parts in which the versions differ.
    private struct Network {
        let inputs: JetInputs
        let tokenizer: (any Tokenizer)?
        let hasDropout: Bool
        /// Declares the network.
        let make: (ParameterScope) -> any MaskedNetwork
    }

    private init(
        _ network: Network, _ tasks: ReconstructionTasks, _ masking: MaskingStrategy, _ jets: JetShape, seed: UInt64
    ) {
        let builder = ParameterBuilder()
        model = network.make(builder.root)
        self.tasks = tasks.makeTasks(
            width: model.width, jets, vqvae: network.tokenizer, in: builder.root.scope("tasks"))
        probe = tasks.probe.map { [model] options in
            guard let classes = jets.classes else { unreachable("a probe without classes") }
            builder.beginGroup(LinearProbe.group)
            return LinearProbe(
                options, on: model.backbone, inputs: network.inputs, classes: classes.count,
                in: builder.root.scope("tasks.probe"))
        }
        terms = self.tasks.map { LossTerm(name: $0.name, weight: $0.weight) } + (probe?.terms ?? [])
        self.masking = masking.masking
        inputs = network.inputs
        tokenizer = network.tokenizer
        hasDropout = network.hasDropout
        parameters = builder.build(seed: seed)
        self.seed = seed
    }

    package var needsMomenta: Bool { masking.needsMomenta || model.backbone.needsMomenta }
    package var tokenizerParameters: ParameterStore? { tokenizer?.pretrainedParameters }

    /// The probe is frozen between its updates: an optimizer would continue with its momentum and the weight decay.
    package func learningRateFactors(step: Int) -> [Double] {
        parameters.groups.map { $0.name == LinearProbe.group && probe?.isDue(step: step) == false ? 0 : 1 }
    }

    package var reconstructor: (any Reconstructor)? { self }

    package func prepare(_ batch: JetBatch, phase: Phase) -> MicroBatch {
        let mask = masking.dropped(in: batch, seed: seed, stream: phase.maskingStream)
        let keys = batch.dropoutKeys(phase, isUsed: hasDropout, seed: seed)
        return prepare(MaskedJets(batch, mask: mask, phase: phase, seed: seed), keys: keys)
    }

    /// Prepares jets that are already masked.
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

    /// Particle identification recovers no features; its identities complete the features of the other tasks.
    package var reconstructions: [String] { tasks.map(\.name).filter { $0 != ParticleIdentification.Options.name } }

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

    package func useSyntheticTokens(_ points: (Int) -> Tensor) throws {
        try inputs.useSyntheticTokens(points)
        for task in tasks { try task.useSyntheticTokens(points) }
    }

    package var state: ObjectiveState {
        var state = ObjectiveState(inputs, tokenizer: tokenizerParameters)
        for task in tasks { state["tasks/\(task.name)"] = task.state }
        return state
    }

    package func restore(_ state: ObjectiveState) throws {
        for task in tasks { try task.restore(state["tasks/\(task.name)"]) }
        try state.restore(inputs, tokenizer: tokenizerParameters)
    }
}
