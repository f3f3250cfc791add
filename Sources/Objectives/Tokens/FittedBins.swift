import Configuration
import Jets
import MPI
import System
import Tensors

/// Bins of each feature that are fitted to jets at the start of a run. T tokens, F features.
package struct FittedBins {
    /// The keys that define the bins.
    package struct Options: Sendable, Equatable {
        /// Number of bins of each feature.
        package var count = 64
        package var spacing = FeatureBins.Spacing.quantile
        /// Number of jets that the borders are fitted to.
        package var fitJets = 10_000

        package init() {}

        /// Decodes the keys `bins`, `spacing` and `fit_jets`. Throws `ConfigurationError`.
        ///
        /// - Parameter mostBins: largest number of bins.
        init(from section: Section, mostBins: Int, defaults: Options = Options()) throws {
            count = try section.int(
                "bins", default: defaults.count, in: 2...mostBins, help: "number of bins of each feature")
            spacing = try section.choice(
                "spacing", of: FeatureBins.Spacing.self, default: defaults.spacing,
                help: "bins with equal numbers of values, or bins of equal width")
            fitJets = try section.int(
                "fit_jets", default: defaults.fitJets, in: 1...Int(Int32.max),
                help: "number of jets that the bins are fitted to")
        }
    }

    private let options: Options
    private let features: Int
    private let section: String
    /// The bins; nil before the fit.
    private(set) var bins: FeatureBins?

    /// - Parameter section: the section of the configuration that defines the bins, for messages.
    init(_ options: Options, features: Int, section: String) {
        (self.options, self.features, self.section) = (options, features, section)
    }

    /// The number of bins of each feature.
    var count: Int { options.count }

    /// The borders between the bins of each feature, rising: `[F][count − 1]`.
    var borders: [[Float]] { fitted.borders }

    private var fitted: FeatureBins {
        guard let bins else { unreachable("bins are used before the fit") }
        return bins
    }

    /// The bin of each value, `[T, F]`, in row-major order.
    func indices(of values: Tensor) -> [Int32] {
        let bins = fitted
        var indices = [Int32](repeating: 0, count: values.count)
        for feature in 0..<features {
            for (token, bin) in bins.indices(of: values, feature: feature).enumerated() {
                indices[token * features + feature] = bin
            }
        }
        return indices
    }

    /// Fits the bins to the first `fit_jets` jets of epoch 0, rounded up to whole batches; collective.
    mutating func fit(to jets: JetLoader, on communicator: Communicator) throws {
        let values = try communicator.agree {
            var values: [Float] = []
            for step in jets.steps(ofFirst: options.fitJets) {
                let batch = try jets.batch(epoch: 0, step: step)
                withExtendedLifetime(batch) { values.append(contentsOf: batch.values.buffer) }
            }
            return Tensor(values, shape: [values.count / features, features])
        }
        try fit(to: values, on: communicator)
    }

    /// Fits the bins to values, `[T, F]`; collective.
    mutating func fit(to values: Tensor, on communicator: Communicator) throws {
        bins = try FeatureBins.fit(values, bins: count, spacing: options.spacing, on: communicator)
    }

    /// Fits the bins to random points; see `InputRepresentation`.
    mutating func useSyntheticTokens(_ points: (Int) -> Tensor) throws {
        try fit(to: points(16 * count), on: .selfOnly)
    }

    /// The borders; empty before the fit.
    var state: ObjectiveState {
        var state = ObjectiveState()
        state.tensors["borders"] = bins?.table
        return state
    }

    /// Takes the borders of a state. Throws `ObjectiveError` if they belong to other numbers of bins or features.
    mutating func restore(_ state: ObjectiveState) throws {
        bins = try FeatureBins(
            table: state.tensor(
                "borders", shape: [features, count - 1],
                wanted: "\(section) requires \(count) bins of \(features) features"))
    }
}
