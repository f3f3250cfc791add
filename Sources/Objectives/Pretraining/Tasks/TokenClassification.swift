import Configuration
import Jets
import Models
import MPI
import NN
import Tensors

/// Recovers the token of every dropped constituent: a linear map to one logit a token and cross-entropy.
package final class TokenClassification: ReconstructionTask {
    /// What the tasks that recover tokens have in common.
    package struct Options: Sendable, Equatable {
        package var weight = 1.0
        package var labelSmoothing = 0.1

        package init(labelSmoothing: Double = 0.1) {
            self.labelSmoothing = labelSmoothing
        }

        package init(from section: Section, labelSmoothing: Double = 0.1) throws {
            weight = try section.double("weight", default: weight, in: 0...(.infinity))
            self.labelSmoothing = try section.double("label_smoothing", default: labelSmoothing, in: 0...1)
        }
    }

    package let name: String
    package let weight: Double
    package let tokenizer: any Tokenizer
    private let labelSmoothing: Float
    private let head: Linear

    package init(
        _ name: String, _ options: Options, of tokenizer: any Tokenizer, width: Int, in scope: ParameterScope
    ) {
        self.name = name
        self.tokenizer = tokenizer
        weight = options.weight
        labelSmoothing = Float(options.labelSmoothing)
        head = Linear(inputs: width, outputs: tokenizer.count, in: scope.scope("head"))
    }

    package func count(_ jets: MaskedJets) -> Double { Double(jets.dropped.offsets.tokens) }

    package func loss(_ decoded: Variable, _ jets: MaskedJets, scale: Float, on tape: Tape) -> Double {
        let tokens = tokenizer.tokens(ofDropped: jets.constituents)
        tape.lap("tokens")
        return tape.crossEntropy(head(decoded, on: tape), target: tokens, smoothing: labelSmoothing, scale: scale)
    }

    /// What the drawn tokens stand for: centroids, or what the VQ-VAE makes of them beside the survivors' codes.
    package func sample(_ decoded: Tensor, _ jets: MaskedJets, _ options: SamplingOptions) -> Reconstruction {
        let logits = head(Variable(constant: decoded), on: Tape(recording: false)).value
        let tokens = logits.classes(
            jets.randomSequences(.sampling, for: tokenizer.isContextual ? .vqvae : .kmeans),
            takesMostLikely: options.takesMostLikely)
        return Reconstruction(values: tokenizer.features(of: tokens, in: jets.constituents))
    }

    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        try tokenizer.fit(to: jets, on: communicator, report: report)
    }

    package var state: ObjectiveState { tokenizer.state }
    package func restore(_ state: ObjectiveState) throws { try tokenizer.restore(state) }
}
