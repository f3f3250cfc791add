import Configuration
import Jets
import Models
import MPI
import NN
import System
import Tensors

/// Recovers the bin of every feature of every dropped constituent: a linear map to one logit a bin of each feature, and
/// cross-entropy, averaged over constituents and features (Finke et al., arXiv:2303.07364).
package final class BinClassification: ReconstructionTask {
    /// `tasks.bins` of a configuration.
    package struct Options: Sendable, Equatable {
        package var weight = 1.0
        package var labelSmoothing = 0.1
        /// Bins of each feature.
        package var bins = 64
        package var spacing = FeatureBins.Spacing.quantile
        /// Jets that the borders of the bins are fitted to.
        package var fitJets = 10_000

        package init() {}

        package init(from section: Section, labelSmoothing: Double = 0.1) throws {
            weight = try section.double("weight", default: weight, in: 0...(.infinity))
            self.labelSmoothing = try section.double("label_smoothing", default: labelSmoothing, in: 0...1)
            bins = try section.int("bins", default: bins, in: 2...65536)
            spacing = try section.choice("spacing", of: FeatureBins.Spacing.self, default: spacing)
            fitJets = try section.int("fit_jets", default: fitJets, in: 1...Int(Int32.max))
        }
    }

    package let name = "bins"
    package let weight: Double
    private let options: Options
    private let features: Int
    private let head: Linear
    /// The bins; nil before `fit`.
    package private(set) var bins: FeatureBins?
    /// Bins of each feature.
    package var binCount: Int { options.bins }

    package init(_ options: Options, width: Int, features: Int, in scope: ParameterScope) {
        weight = options.weight
        self.options = options
        self.features = features
        head = Linear(inputs: width, outputs: features * options.bins, in: scope.scope("head"))
    }

    package func count(_ jets: MaskedJets) -> Double { Double(jets.dropped.values.count) }

    package func loss(_ decoded: Variable, _ jets: MaskedJets, scale: Float, on tape: Tape) -> Double {
        let target = targets(jets.dropped.values)
        tape.lap("bins")
        let logits = tape.reshape(head(decoded, on: tape), to: [target.count, options.bins])
        return tape.crossEntropy(
            logits, target: target, smoothing: Float(options.labelSmoothing), scale: scale)
    }

    /// A bin is drawn for every feature, and a value anywhere in it; the first and the last bin stand for their border.
    package func sample(_ decoded: Tensor, _ jets: MaskedJets, _ options: SamplingOptions) -> Reconstruction {
        guard let borders = bins?.borders else { unreachable("bins are used before their fit") }
        let logits = head(Variable(constant: decoded), on: Tape(recording: false)).value
        let values = Tensor(shape: [decoded.rows, features])
        for (row, random) in jets.randomSequences(.sampling, for: .bins).enumerated() {
            var random = random
            for feature in 0..<features {
                let start = row * logits.columns + feature * binCount
                let own = logits.slice(start..<start + binCount, shape: [1, binCount])
                let bin = Int(own.classes([random], takesMostLikely: options.takesMostLikely)[0])
                _ = random.uniform()
                let place = options.takesMostLikely ? 0.5 : random.uniform()
                let (low, high) = (max(0, bin - 1), min(binCount - 2, bin))
                values.buffer[row * features + feature] =
                    borders[feature][low] + place * (borders[feature][high] - borders[feature][low])
            }
        }
        return Reconstruction(values: values)
    }

    /// The bins of values, `[tokens, features]`, in the order of storage.
    package func targets(_ values: Tensor) -> [Int32] {
        guard let bins else { unreachable("bins are used before their fit") }
        var targets = [Int32](repeating: 0, count: values.count)
        for feature in 0..<features {
            for (token, bin) in bins.indices(of: values, feature: feature).enumerated() {
                targets[token * features + feature] = bin
            }
        }
        return targets
    }

    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        try fit(to: KMeans.sample(jets: options.fitJets, from: jets, on: communicator).values, on: communicator)
        report("bins: \(options.bins) of each of \(features) features")
    }

    /// Finds the bins of values, `[tokens, features]`; collective.
    package func fit(to values: Tensor, on communicator: Communicator) throws {
        bins = try FeatureBins.fit(values, bins: options.bins, spacing: options.spacing, on: communicator)
    }

    package var state: ObjectiveState {
        var state = ObjectiveState()
        state.tensors["borders"] = bins?.table
        return state
    }

    package func restore(_ state: ObjectiveState) throws {
        bins = try FeatureBins(
            table: state.tensor(
                "borders", shape: [features, options.bins - 1],
                wanted: "tasks.bins asks for \(options.bins) bins of \(features) features"))
    }
}
