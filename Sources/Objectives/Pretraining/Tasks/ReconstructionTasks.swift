import Configuration
import Jets
import Models
import NN
import System
import Tensors

/// The section `tasks` of a configuration: what is recovered of the hidden constituents; nil leaves a task out.
package struct ReconstructionTasks: Sendable, Equatable {
    /// Tokens by k-means: the task and the centroids.
    package struct KMeans: Sendable, Equatable {
        package var task = TokenClassification.Options()
        package var tokens = KMeansTokenizer.Options()

        package init() {}
    }

    package var particleID: ParticleIdentification.Options? = .init()
    package var regression: Regression.Options?
    package var bins: BinClassification.Options?
    package var kmeans: KMeans? = .init()
    /// The codes of the VQ-VAE that `tokenizer` names.
    package var vqvae: TokenClassification.Options?
    package var flow: ConditionalFlow.Options?
    package var flowMatching: ConditionalFlowMatching.Options?
    /// What watches the training; no task of its own.
    package var probe: LinearProbe.Options?

    package init() {}

    /// What a task is unless its section says otherwise.
    struct Defaults: Sendable {
        var clusters = 16384
        var smoothing = 0.1
        var codeSmoothing = 0.05
        var regression = Regression.Options.Loss.l1

        /// Version 1: 512 clusters, squared errors, no smoothing.
        static let version1 = Defaults(clusters: 512, smoothing: 0, codeSmoothing: 0, regression: .mse)
    }

    /// Decodes the section from the root; a task is trained when its key stands there. Throws `ConfigurationError`.
    init(from root: Section, defaults: Defaults = Defaults()) throws {
        let section = try root.section("tasks")
        particleID = try section.optionalSection("particle_id").map {
            try .init(from: $0, labelSmoothing: defaults.smoothing)
        }
        regression = try section.optionalSection("regression").map {
            try .init(from: $0, loss: defaults.regression)
        }
        bins = try section.optionalSection("bins").map {
            try .init(from: $0, labelSmoothing: defaults.smoothing)
        }
        kmeans = try section.optionalSection("kmeans").map {
            var kmeans = KMeans()
            kmeans.task = try .init(from: $0, labelSmoothing: defaults.smoothing)
            kmeans.tokens = try .init(from: $0, clusters: defaults.clusters)
            return kmeans
        }
        vqvae = try section.optionalSection("vqvae").map {
            try .init(from: $0, labelSmoothing: defaults.codeSmoothing)
        }
        flow = try section.optionalSection("flow").map { try .init(from: $0) }
        flowMatching = try section.optionalSection("flow_matching").map { try .init(from: $0) }
        probe = try section.optionalSection("probe").map { try .init(from: $0) }
        if particleID == nil, regression == nil, bins == nil, kmeans == nil, vqvae == nil, flow == nil,
            flowMatching == nil
        {
            // A misspelt task is an unknown key, which says more.
            try section.finish()
            throw root.error(
                "tasks", "no task to train; give at least one of particle_id, regression, bins, kmeans, vqvae, "
                    + "flow, flow_matching")
        }
    }

    /// Declares the heads of the tasks on outputs of `width` channels.
    ///
    /// - Parameter tokenizer: the VQ-VAE, where a task asks for its codes.
    func make(
        width: Int, _ jets: JetShape, tokenizer: VQVAETokenizer?, seed: UInt64, in scope: ParameterScope
    ) -> [any ReconstructionTask] {
        let features = jets.features
        var tasks: [any ReconstructionTask] = []
        if let particleID {
            tasks.append(
                ParticleIdentification(
                    particleID, width: width, identities: JetFeatures.identityNames.count,
                    in: scope.scope("particle_id")))
        }
        if let regression {
            tasks.append(Regression(regression, width: width, features: features, in: scope.scope("regression")))
        }
        if let bins {
            tasks.append(BinClassification(bins, width: width, features: features, in: scope.scope("bins")))
        }
        if let kmeans {
            tasks.append(
                TokenClassification(
                    "kmeans", kmeans.task, of: KMeansTokenizer(kmeans.tokens, features: features, seed: seed),
                    width: width, in: scope.scope("kmeans")))
        }
        if let vqvae {
            guard let tokenizer else { unreachable("tasks.vqvae without a tokenizer") }
            tasks.append(
                TokenClassification("vqvae", vqvae, of: tokenizer, width: width, in: scope.scope("vqvae")))
        }
        if let flow { tasks.append(ConditionalFlow(flow, width: width, jets, in: scope.scope("flow"))) }
        if let flowMatching {
            tasks.append(
                ConditionalFlowMatching(
                    flowMatching, width: width, features: features, in: scope.scope("flow_matching")))
        }
        return tasks
    }
}
