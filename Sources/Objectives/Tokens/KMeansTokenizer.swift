import Configuration
import Foundation
import Jets
import MPI
import Models
import System
import Tensors

/// Tokenizer whose token of a constituent is the nearest of some centroids, which are fitted to the preprocessed
/// features by k-means at the start of a run.
package final class KMeansTokenizer: Tokenizer {
    /// Keys of the section that configures the tokens.
    package struct Options: Sendable, Equatable {
        package var clusters = 16384
        /// Number of jets that the centroids are fitted to.
        package var fitJets = 50_000
        /// Number of Lloyd iterations of the fit.
        package var iterations = 20

        package init() {}

        package init(from section: Section, clusters: Int = 16384, defaults: Options = Options()) throws {
            self = defaults
            self.clusters = try section.int(
                "clusters", default: clusters, in: 2...1_000_000, help: "number of centroids")
            fitJets = try section.int(
                "fit_jets", default: fitJets, in: 1...Int(Int32.max),
                help: "number of jets that the centroids are fitted to")
            iterations = try section.int(
                "iterations", default: iterations, in: 1...10_000, help: "iterations of k-means")
        }
    }

    private let options: Options
    private let features: Int
    private let section: String
    private var codebook: NearestRows?

    /// - Parameter section: the section of the configuration, for messages.
    package init(_ options: Options, features: Int, section: String = "tasks.kmeans") {
        self.options = options
        self.features = features
        self.section = section
    }

    package var count: Int { options.clusters }
    package var dimension: Int { features }

    /// Centroids, `[clusters, features]`; nil before `fit`.
    package var centroids: Tensor? {
        get { codebook?.centroids }
        set {
            invariant(newValue.map { $0.shape == [options.clusters, features] } ?? true, "one row for each cluster")
            codebook = newValue.map { NearestRows($0) }
        }
    }

    package func tokens(of jets: Constituents) -> [Int32] {
        guard let codebook else { unreachable("k-means tokens are used before the fit") }
        return codebook.indices(of: jets.values)
    }

    package func vectors(of tokens: [Int32]) -> Tensor {
        guard let centroids else { unreachable("k-means tokens are used before the fit") }
        return Tape(recording: false).embedding(Variable(constant: centroids), index: tokens).value
    }

    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        let sample = try KMeans.sample(jets: options.fitJets, from: jets, on: communicator)
        let fit = try KMeans.fit(
            sample, clusters: options.clusters, iterations: options.iterations,
            advice: "raise \(section).fit_jets or lower \(section).clusters", on: communicator)
        let usage = CodeUsage(counts: fit.occupancy)
        report(
            "k-means: \(options.clusters) centroids of \(fit.points) constituents, mean squared distance "
                + String(format: "%.4f", fit.inertia / Double(fit.points))
                + ", \(usage.used) clusters in use")
        report(
            "k-means: \(fit.occupancy.min() ?? 0) to \(fit.occupancy.max() ?? 0) constituents in a cluster, "
                + String(format: "perplexity %.0f", usage.perplexity) + ", \(fit.reseeded) centroids reseeded")
        centroids = fit.centroids
    }

    package func useSyntheticTokens(_ points: (Int) -> Tensor) { centroids = points(options.clusters) }

    package var state: ObjectiveState {
        var state = ObjectiveState()
        state.tensors["centroids"] = centroids
        return state
    }

    package func restore(_ state: ObjectiveState) throws {
        centroids = try state.tensor(
            "centroids", shape: [options.clusters, features],
            wanted: "\(section) requires \(options.clusters) clusters of \(features) features")
    }
}

extension KMeansTokenizer.Options: TokenizerOptions {
    package init(inputs section: Section, vqvae: VQVAEOptions?, defaults: (any TokenizerOptions)?) throws {
        let defaults = defaults as? Self
        try self.init(from: section, clusters: defaults?.clusters ?? 512, defaults: defaults ?? Self())
    }

    package func makeInputs(_ jets: JetShape, section: String) -> any InputRepresentation {
        KMeansTokenizer(self, features: jets.features, section: section)
    }
}
