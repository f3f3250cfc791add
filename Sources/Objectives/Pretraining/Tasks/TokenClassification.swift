import Configuration
import Jets
import MPI
import NN
import System
import Tensors

/// Classifies the token of every dropped constituent: a linear map to one logit for each token, and the cross-entropy
/// (arXiv:2401.13537 with the codes of a VQ-VAE, arXiv:2409.12589 with k-means clusters).
package final class TokenClassification: ReconstructionTask {
    /// Keys common to the tasks on tokens.
    package struct Options: Sendable, Equatable {
        package var weight = 1.0
        package var labelSmoothing = 0.1

        package init(labelSmoothing: Double = 0.1) {
            self.labelSmoothing = labelSmoothing
        }

        package init(from section: Section, labelSmoothing: Double = 0.1) throws {
            weight = try section.weight(default: weight)
            self.labelSmoothing = try section.labelSmoothing(default: labelSmoothing)
        }
    }

    package let name: String
    package let weight: Double
    package let tokenizer: any Tokenizer
    private let labelSmoothing: Float
    private let samplingBlock: Int
    private let head: Linear

    /// - Parameter samplingBlock: first block of the random numbers of samples (`MaskedJets.randomSequences`).
    package init(
        _ name: String, _ options: Options, of tokenizer: any Tokenizer, width: Int, samplingBlock: Int,
        in scope: ParameterScope
    ) {
        self.name = name
        self.tokenizer = tokenizer
        self.samplingBlock = samplingBlock
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

    /// Draws tokens and returns their features: centroids, or the VQ-VAE's reconstruction given the survivors' codes.
    package func sample(_ decoded: Tensor, _ jets: MaskedJets, _ options: SamplingOptions) -> Reconstruction {
        let logits = head(Variable(constant: decoded), on: Tape(recording: false)).value
        let tokens = logits.classes(
            jets.randomSequences(.sampling, fromBlock: samplingBlock), options)
        return Reconstruction(values: tokenizer.features(of: tokens, in: jets.constituents))
    }

    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        try tokenizer.fit(to: jets, on: communicator, report: report)
    }

    package func useSyntheticTokens(_ points: (Int) -> Tensor) throws { try tokenizer.useSyntheticTokens(points) }

    package var state: ObjectiveState { tokenizer.state }
    package func restore(_ state: ObjectiveState) throws { try tokenizer.restore(state) }
}

/// `tasks.kmeans`: the tokens are k-means clusters of the features.
package struct KMeansTaskOptions: ReconstructionTaskOptions {
    package static let name = "kmeans"
    package static let help = "reconstruct the nearest k-means centroid"

    package var task = TokenClassification.Options()
    package var tokens = KMeansTokenizer.Options()

    package init() {}

    package init(from section: Section, version: MaskedParticleVersion) throws {
        task = try .init(from: section, labelSmoothing: version == .v1 ? 0 : 0.1)
        tokens = try .init(from: section, clusters: version == .v1 ? 512 : 16384)
    }

    package func makeTask(_ context: ReconstructionContext) -> any ReconstructionTask {
        TokenClassification(
            Self.name, task, of: KMeansTokenizer(tokens, features: context.jets.features), width: context.width,
            samplingBlock: 128, in: context.scope)
    }
}

/// `tasks.vqvae`: the tokens are codes of the VQ-VAE that the section `tokenizer` names.
package struct VQVAETaskOptions: ReconstructionTaskOptions {
    package static let name = "vqvae"
    package static let help = "reconstruct the code in the VQ-VAE of `tokenizer`"
    package static let needsVQVAE = true

    package var task: TokenClassification.Options

    package init(_ task: TokenClassification.Options = .init()) {
        self.task = task
    }

    package init(from section: Section, version: MaskedParticleVersion) throws {
        task = try .init(from: section, labelSmoothing: version == .v1 ? 0 : 0.05)
    }

    package func makeTask(_ context: ReconstructionContext) -> any ReconstructionTask {
        guard let tokenizer = context.vqvae else { unreachable("tasks.vqvae without a VQ-VAE") }
        return TokenClassification(
            Self.name, task, of: tokenizer, width: context.width, samplingBlock: 160, in: context.scope)
    }
}
