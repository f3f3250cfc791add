import Configuration
import Jets
import Models
import MPI
import NN
import Tensors

/// Recovers which k-means cluster every dropped constituent belongs to: a linear map to one logit a cluster and
/// cross-entropy. The centroids are found in the preprocessed features at the start of a run.
public final class KMeansTokens: ReconstructionTask {
    /// `tasks.kmeans` of a configuration.
    public struct Options: Sendable, Equatable {
        public var weight = 1.0
        public var clusters = 16384
        public var labelSmoothing = 0.1
        /// Jets that the centroids are fitted to.
        public var fitJets = 50_000
        /// Lloyd iterations of the fit.
        public var iterations = 20

        public init() {}

        public init(from section: Section) throws {
            weight = try section.double("weight", default: weight, in: 0...(.infinity))
            clusters = try section.int("clusters", default: clusters, in: 2...1_000_000)
            labelSmoothing = try section.double("label_smoothing", default: labelSmoothing, in: 0...1)
            fitJets = try section.int("fit_jets", default: fitJets, in: 1...Int(Int32.max))
            iterations = try section.int("iterations", default: iterations, in: 1...10_000)
        }
    }

    public static let name = "kmeans"
    public let weight: Double
    private let options: Options
    private let head: Linear
    private let features: Int
    private let seed: UInt64
    private var codebook: NearestRows?

    public init(_ options: Options, width: Int, features: Int, seed: UInt64, in scope: ParameterScope) {
        self.options = options
        self.features = features
        self.seed = seed
        weight = options.weight
        head = Linear(inputs: width, outputs: options.clusters, in: scope.scope("head"))
    }

    /// The number of clusters.
    public var clusters: Int { options.clusters }

    /// The centroids, `[clusters, features]`; nil before `fit`.
    public var centroids: Tensor? {
        get { codebook?.centroids }
        set {
            precondition(newValue.map { $0.shape == [options.clusters, features] } ?? true, "one row a cluster")
            codebook = newValue.map { NearestRows($0) }
        }
    }

    public func count(_ dropped: Constituents) -> Double { Double(dropped.offsets.tokens) }

    public func loss(_ decoded: Variable, _ dropped: Constituents, scale: Float, on tape: Tape) -> Double {
        guard let codebook else { preconditionFailure("k-means tokens are used before their fit") }
        let labels = codebook.indices(of: dropped.values)
        tape.lap("nearest centroids")
        return tape.crossEntropy(
            head(decoded, on: tape), target: labels, smoothing: Float(options.labelSmoothing), scale: scale)
    }

    public func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        let sample = try KMeans.sample(jets: options.fitJets, from: jets, on: communicator)
        let fit = try KMeans.fit(
            sample, clusters: options.clusters, iterations: options.iterations, seed: seed, on: communicator)
        report(
            "k-means: \(options.clusters) centroids of \(fit.points) constituents, mean squared distance "
                + String(format: "%.4f", fit.inertia / Double(fit.points))
                + ", \(options.clusters - fit.emptyClusters) clusters in use")
        centroids = fit.centroids
    }

    public var state: ObjectiveState {
        var state = ObjectiveState()
        state.tensors["centroids"] = centroids
        return state
    }

    public func restore(_ state: ObjectiveState) throws {
        centroids = try state.tensor(
            "centroids", shape: [options.clusters, features],
            wanted: "tasks.kmeans asks for \(options.clusters) clusters of \(features) features")
    }
}
