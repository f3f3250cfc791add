import Configuration
import Jets
import MPI
import NN
import Tensors

/// Classifies the bin of every feature of every dropped constituent: a linear map to one logit for each bin of each
/// feature, and the cross-entropy averaged over constituents and features (Finke et al., arXiv:2303.07364).
package final class BinClassification: ReconstructionTask {
    /// `tasks.bins` of a configuration.
    package struct Options: Sendable, Equatable {
        package var weight = 1.0
        package var labelSmoothing = 0.1
        /// The bins of each feature.
        package var bins = FittedBins.Options()

        package init() {}

        package init(from section: Section, labelSmoothing: Double = 0.1) throws {
            weight = try section.weight(default: weight)
            self.labelSmoothing = try section.labelSmoothing(default: labelSmoothing)
            bins = try FittedBins.Options(from: section, mostBins: 65536)
        }
    }

    /// First block of the random numbers of samples (`MaskedJets.randomSequences`).
    private static let samplingBlock = 224

    package let name = Options.name
    package let weight: Double
    private let options: Options
    private let features: Int
    private let head: Linear
    private var fitted: FittedBins
    /// The bins; nil before `fit`.
    package var bins: FeatureBins? { fitted.bins }

    package init(_ options: Options, width: Int, features: Int, in scope: ParameterScope) {
        weight = options.weight
        self.options = options
        self.features = features
        fitted = FittedBins(options.bins, features: features, section: "tasks.bins")
        head = Linear(inputs: width, outputs: features * options.bins.count, in: scope.scope("head"))
    }

    package func count(_ jets: MaskedJets) -> Double { Double(jets.dropped.values.count) }

    package func loss(_ decoded: Variable, _ jets: MaskedJets, scale: Float, on tape: Tape) -> Double {
        let target = targets(jets.dropped.values)
        tape.lap("bins")
        let logits = tape.reshape(head(decoded, on: tape), to: [target.count, fitted.count])
        return tape.crossEntropy(
            logits, target: target, smoothing: Float(options.labelSmoothing), scale: scale)
    }

    /// Draws a bin for every feature, then a value uniformly within it; the first and the last bin give their border.
    package func sample(_ decoded: Tensor, _ jets: MaskedJets, _ options: SamplingOptions) -> Reconstruction {
        let (binCount, borders) = (fitted.count, fitted.borders)
        let logits = head(Variable(constant: decoded), on: Tape(recording: false)).value
        let values = Tensor(shape: [decoded.rows, features])
        for (row, random) in jets.randomSequences(.sampling, fromBlock: Self.samplingBlock).enumerated() {
            var random = random
            for feature in 0..<features {
                let start = row * logits.columns + feature * binCount
                let own = logits.slice(start..<start + binCount, shape: [1, binCount])
                let bin = Int(own.classes([random], options)[0])
                _ = random.uniform()  // `classes` has drawn this number from a copy of the sequence
                let place = options.takesMostLikely ? 0.5 : random.uniform()
                let (low, high) = (max(0, bin - 1), min(binCount - 2, bin))
                values.buffer[row * features + feature] =
                    borders[feature][low] + place * (borders[feature][high] - borders[feature][low])
            }
        }
        return Reconstruction(values: values)
    }

    /// The bin of each value, `[tokens, features]`, in row-major order.
    package func targets(_ values: Tensor) -> [Int32] { fitted.indices(of: values) }

    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        try fitted.fit(to: jets, on: communicator)
        report("bins: \(fitted.count) of each of \(features) features")
    }

    /// Fits the bins to values, `[tokens, features]`; collective.
    package func fit(to values: Tensor, on communicator: Communicator) throws {
        try fitted.fit(to: values, on: communicator)
    }

    package func useSyntheticTokens(_ points: (Int) -> Tensor) throws { try fitted.useSyntheticTokens(points) }

    package var state: ObjectiveState { fitted.state }

    package func restore(_ state: ObjectiveState) throws { try fitted.restore(state) }
}

extension BinClassification.Options: ReconstructionTaskOptions {
    package static let name = "bins"
    package static let help = "reconstruct the bin of each feature"

    package init(from section: Section, version: MaskedParticleVersion) throws {
        try self.init(from: section, labelSmoothing: version == .v1 ? 0 : 0.1)
    }

    package func makeTask(_ context: ReconstructionContext) -> any ReconstructionTask {
        BinClassification(self, width: context.width, features: context.jets.features, in: context.scope)
    }
}
