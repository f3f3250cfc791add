import Jets
import MPI
import Models
import NN
import Tensors

/// The backbone of a downstream model, in a parameter group of its own.
package struct DownstreamBackbone {
    /// Names of the parameter groups.
    package static let (group, headGroup) = ("backbone", "head")

    private let backbone: Backbone
    private let inputs: JetInputs
    private let hasDropout: Bool
    private let tuning: FineTuning
    private let seed: UInt64
    /// Cache of the encodings of a fixed backbone; nil if they change.
    private let cache: EncodingCache?
    package var needsMomenta: Bool { backbone.needsMomenta }
    /// Channels of the outputs.
    package var width: Int { backbone.width }

    /// Declares the backbone. Parameters declared afterwards belong to the head.
    package init(
        _ options: BackboneOptions, _ tuning: FineTuning, _ jets: JetShape, seed: UInt64, in builder: ParameterBuilder
    ) {
        inputs = JetInputs(options.inputs, jets)
        builder.beginGroup(Self.group)
        backbone = options.shape.makeEncoder(
            features: inputs.width, identities: jets.identities,
            maxConstituents: jets.maxConstituents, in: builder.root)
        builder.beginGroup(Self.headGroup)
        hasDropout = options.shape.dropout > 0
        cache = tuning.keepsEncodings ? EncodingCache(width: backbone.width, limit: tuning.cacheLimit << 20) : nil
        self.tuning = tuning
        self.seed = seed
    }

    /// Learning rate factors of the two groups.
    package func learningRateFactors(step: Int) -> [Double] { [tuning.factor(step: step), 1] }

    /// Encodes jets. A frozen backbone runs without dropout and records nothing for a gradient.
    package func callAsFunction(_ batch: JetBatch, phase: Phase, on tape: Tape) -> EncodedJets {
        guard !tuning.isFrozen(in: phase) else {
            let encoded = tape.evaluating { encodeFrozen(batch, phase: phase, on: $0) }
            return EncodedJets(
                output: Variable(constant: encoded.output), offsets: encoded.offsets, registers: backbone.registers)
        }
        let keys = batch.dropoutKeys(phase, isUsed: hasDropout, seed: seed)
        let encoded = backbone(inputs(Constituents(batch)), keys: keys, on: tape)
        return EncodedJets(output: encoded.output, offsets: encoded.offsets, registers: backbone.registers)
    }

    private func encodeFrozen(_ batch: JetBatch, phase: Phase, on tape: Tape) -> (output: Tensor, offsets: Offsets) {
        func encode(_ batch: JetBatch) -> (output: Tensor, offsets: Offsets) {
            let encoded = backbone(inputs(Constituents(batch)), on: tape)
            return (encoded.output.value, encoded.offsets)
        }
        return cache?(batch, phase: phase) { encode($0).output } ?? encode(batch)
    }

    /// Weights of the VQ-VAE of the inputs; nil for other inputs.
    var tokenizerParameters: ParameterStore? { inputs.pretrained?.pretrainedParameters }

    /// Fits the inputs to the data, if they are not those of a pre-trained backbone; collective.
    func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        try inputs.fit(to: jets, on: communicator, report: report)
    }

    package func useSyntheticTokens(_ points: (Int) -> Tensor) throws { try inputs.useSyntheticTokens(points) }

    /// State of the tokenizer of the inputs, under the names that a pre-training uses.
    package var state: ObjectiveState { ObjectiveState(inputs, tokenizer: tokenizerParameters) }

    package func restore(_ state: ObjectiveState) throws {
        try state.restore(inputs, tokenizer: tokenizerParameters)
    }
}
