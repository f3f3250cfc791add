import Configuration
import Jets
import Models
import MPI
import NN
import Tensors

/// Recovers the token of every dropped constituent: a linear map to one logit a token and cross-entropy.
public final class TokenClassification: ReconstructionTask {
    /// What the tasks that recover tokens have in common.
    public struct Options: Sendable, Equatable {
        public var weight = 1.0
        public var labelSmoothing = 0.1

        public init(labelSmoothing: Double = 0.1) {
            self.labelSmoothing = labelSmoothing
        }

        public init(from section: Section, labelSmoothing: Double = 0.1) throws {
            weight = try section.double("weight", default: weight, in: 0...(.infinity))
            self.labelSmoothing = try section.double("label_smoothing", default: labelSmoothing, in: 0...1)
        }
    }

    public let name: String
    public let weight: Double
    public let tokenizer: any Tokenizer
    private let labelSmoothing: Float
    private let head: Linear

    public init(
        _ name: String, _ options: Options, of tokenizer: any Tokenizer, width: Int, in scope: ParameterScope
    ) {
        self.name = name
        self.tokenizer = tokenizer
        weight = options.weight
        labelSmoothing = Float(options.labelSmoothing)
        head = Linear(inputs: width, outputs: tokenizer.count, in: scope.scope("head"))
    }

    public func count(_ jets: MaskedJets) -> Double { Double(jets.dropped.offsets.tokens) }

    public func loss(_ decoded: Variable, _ jets: MaskedJets, scale: Float, on tape: Tape) -> Double {
        let tokens = tokenizer.tokens(ofDropped: jets.constituents)
        tape.lap("tokens")
        return tape.crossEntropy(head(decoded, on: tape), target: tokens, smoothing: labelSmoothing, scale: scale)
    }

    /// What the drawn tokens stand for: centroids, or what the VQ-VAE makes of them beside the survivors' codes.
    public func sample(_ decoded: Tensor, _ jets: MaskedJets, _ options: SamplingOptions) -> Reconstruction {
        let logits = head(Variable(constant: decoded), on: Tape(recording: false)).value
        let tokens = logits.classes(
            jets.randomSequences(.sampling, for: tokenizer.isContextual ? .vqvae : .kmeans),
            takesMostLikely: options.takesMostLikely)
        return Reconstruction(values: tokenizer.features(of: tokens, in: jets.constituents))
    }

    public func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        try tokenizer.fit(to: jets, on: communicator, report: report)
    }

    public var state: ObjectiveState { tokenizer.state }
    public func restore(_ state: ObjectiveState) throws { try tokenizer.restore(state) }
}
