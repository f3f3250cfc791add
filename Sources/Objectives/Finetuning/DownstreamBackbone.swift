import Jets
import Models
import NN
import Tensors

/// The backbone of a downstream model, in a group of parameters of its own.
package struct DownstreamBackbone {
    /// The names of the groups of parameters.
    package static let (group, headGroup) = ("backbone", "head")

    private let backbone: Backbone
    private let inputs: JetInputs
    private let hasDropout: Bool
    private let tuning: FineTuning
    private let seed: UInt64
    /// What is kept of a backbone that never changes.
    private let cache: EncodingCache?
    /// Channels of its outputs.
    package var width: Int { backbone.width }

    /// Declares the backbone; what is declared afterwards is the head.
    package init(
        _ options: BackboneOptions, _ tuning: FineTuning, _ jets: JetShape, seed: UInt64, in builder: ParameterBuilder
    ) {
        inputs = JetInputs(options.inputs, jets, seed: seed)
        builder.beginGroup(Self.group)
        backbone = options.shape.makeEncoder(
            features: inputs.width, identities: JetFeatures.identityNames.count,
            maxConstituents: jets.maxConstituents, in: builder.root)
        builder.beginGroup(Self.headGroup)
        hasDropout = options.shape.dropout > 0
        cache = tuning.keepsEncodings ? EncodingCache(width: backbone.width, limit: tuning.cacheLimit << 20) : nil
        self.tuning = tuning
        self.seed = seed
    }

    /// The factors of both groups' learning rates.
    package func learningRateFactors(step: Int) -> [Double] { [tuning.factor(step: step), 1] }

    /// Encodes jets; while the backbone rests, it has no dropout and nothing is kept for a gradient.
    package func callAsFunction(_ batch: JetBatch, phase: Phase, on tape: Tape) -> EncodedJets {
        guard !tuning.isFrozen(in: phase) else {
            let encoded = encodeAtRest(batch, phase: phase, on: tape.evaluating)
            return EncodedJets(
                output: Variable(constant: encoded.output), offsets: encoded.offsets, registers: backbone.registers)
        }
        let keys = hasDropout
            ? TokenKeys(seed: seed, epoch: batch.epoch, jets: batch.jets, offsets: batch.offsets) : nil
        let encoded = backbone(inputs(Constituents(batch)), keys: keys, on: tape)
        return EncodedJets(output: encoded.output, offsets: encoded.offsets, registers: backbone.registers)
    }

    private func encodeAtRest(_ batch: JetBatch, phase: Phase, on tape: Tape) -> (output: Tensor, offsets: Offsets) {
        func encode(_ batch: JetBatch) -> (output: Tensor, offsets: Offsets) {
            let encoded = backbone(inputs(Constituents(batch)), on: tape)
            return (encoded.output.value, encoded.offsets)
        }
        return cache?(batch, phase: phase) { encode($0).output } ?? encode(batch)
    }

    /// What makes tokens of the inputs, in a state under the names of a pre-training.
    package var state: ObjectiveState {
        var state = ObjectiveState()
        state[JetInputs.stateName] = inputs.state
        if let vqvae = inputs.vqvae { state[VQVAETokenizer.stateName] = vqvae.weights }
        return state
    }

    package func restore(_ state: ObjectiveState) throws {
        try inputs.restore(state[JetInputs.stateName])
        try inputs.vqvae?.restore(weights: state[VQVAETokenizer.stateName])
    }
}
