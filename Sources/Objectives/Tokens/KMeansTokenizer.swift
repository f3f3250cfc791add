import Configuration
import Foundation
import Jets
import Models
import MPI
import System
import Tensors

/// Each constituent is the nearest of some centroids, which are found in the preprocessed features at the start of a
/// run.
package final class KMeansTokenizer: Tokenizer {
    /// The keys of the section that asks for the tokens.
    package struct Options: Sendable, Equatable {
        package var clusters = 16384
        /// Jets that the centroids are fitted to.
        package var fitJets = 50_000
        /// Lloyd iterations of the fit.
        package var iterations = 20

        package init() {}

        package init(from section: Section, clusters: Int = 16384) throws {
            self.clusters = try section.int("clusters", default: clusters, in: 2...1_000_000)
            fitJets = try section.int("fit_jets", default: fitJets, in: 1...Int(Int32.max))
            iterations = try section.int("iterations", default: iterations, in: 1...10_000)
        }
    }

    private let options: Options
    private let features: Int
    private let seed: UInt64
    private let place: String
    private var codebook: NearestRows?

    /// - Parameter place: the section of the configuration, for messages.
    package init(_ options: Options, features: Int, seed: UInt64, place: String = "tasks.kmeans") {
        self.options = options
        self.features = features
        self.seed = seed
        self.place = place
    }

    package var count: Int { options.clusters }
    package var dimension: Int { features }

    /// The centroids, `[clusters, features]`; nil before `fit`.
    package var centroids: Tensor? {
        get { codebook?.centroids }
        set {
            invariant(newValue.map { $0.shape == [options.clusters, features] } ?? true, "one row a cluster")
            codebook = newValue.map { NearestRows($0) }
        }
    }

    package func tokens(of jets: Constituents) -> [Int32] {
        guard let codebook else { unreachable("k-means tokens are used before their fit") }
        return codebook.indices(of: jets.values)
    }

    package func vectors(of tokens: [Int32]) -> Tensor {
        guard let centroids else { unreachable("k-means tokens are used before their fit") }
        return Tape(recording: false).embedding(Variable(constant: centroids), index: tokens).value
    }

    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        let sample = try KMeans.sample(jets: options.fitJets, from: jets, on: communicator)
        let fit = try KMeans.fit(
            sample, clusters: options.clusters, iterations: options.iterations, seed: seed,
            advice: "raise \(place).fit_jets or lower \(place).clusters", on: communicator)
        let usage = CodeUsage(counts: fit.occupancy)
        report(
            "k-means: \(options.clusters) centroids of \(fit.points) constituents, mean squared distance "
                + String(format: "%.4f", fit.inertia / Double(fit.points))
                + ", \(usage.used) clusters in use")
        report(
            "k-means: \(fit.occupancy.min() ?? 0) to \(fit.occupancy.max() ?? 0) constituents in a cluster, "
                + String(format: "perplexity %.0f", usage.perplexity) + ", \(fit.reseeded) centroids begun anew")
        centroids = fit.centroids
    }

    package var state: ObjectiveState {
        var state = ObjectiveState()
        state.tensors["centroids"] = centroids
        return state
    }

    package func restore(_ state: ObjectiveState) throws {
        centroids = try state.tensor(
            "centroids", shape: [options.clusters, features],
            wanted: "\(place) asks for \(options.clusters) clusters of \(features) features")
    }
}
