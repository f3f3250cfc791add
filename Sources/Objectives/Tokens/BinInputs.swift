import Configuration
import Jets
import MPI
import Models
import System
import Tensors

/// Inputs of a backbone that are the bins of the features (Finke et al., arXiv:2303.07364): a vector with a one at the
/// bin of each feature, of which the linear embedding of the backbone learns a vector for each bin.
package final class BinInputs: InputRepresentation {
    /// Keys of the section `model.inputs`.
    package struct Options: Sendable, Equatable {
        /// Number of bins of each feature.
        package var bins = 64
        package var spacing = FeatureBins.Spacing.quantile
        /// Number of jets that the borders are fitted to.
        package var fitJets = 10_000

        package init() {}
    }

    private let options: Options
    private let features: Int
    private let section: String
    private var bins: FeatureBins?

    init(_ options: Options, features: Int, section: String) {
        (self.options, self.features, self.section) = (options, features, section)
    }

    package var dimension: Int { features * options.bins }

    package func replacingValues(of jets: Constituents) -> Constituents {
        guard let bins else { unreachable("bins are used before the fit") }
        let values = Tensor(repeating: 0, shape: [jets.values.rows, dimension])
        for feature in 0..<features {
            for (token, bin) in bins.indices(of: jets.values, feature: feature).enumerated() {
                values.pointer[token * dimension + feature * options.bins + Int(bin)] = 1
            }
        }
        return Constituents(
            values: values, identities: jets.identities, offsets: jets.offsets, momenta: jets.momenta)
    }

    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        try fit(to: KMeans.sample(jets: options.fitJets, from: jets, on: communicator).values, on: communicator)
        report("inputs: \(options.bins) bins of each of \(features) features")
    }

    package func useSyntheticTokens(_ points: (Int) -> Tensor) throws {
        try fit(to: points(16 * options.bins), on: .selfOnly)
    }

    private func fit(to values: Tensor, on communicator: Communicator) throws {
        bins = try FeatureBins.fit(values, bins: options.bins, spacing: options.spacing, on: communicator)
    }

    package var state: ObjectiveState { ObjectiveState(bins: bins) }

    package func restore(_ state: ObjectiveState) throws {
        bins = try state.bins(options.bins, features: features, section: section)
    }
}

extension BinInputs.Options: TokenizerOptions {
    package init(inputs section: Section, vqvae: VQVAEOptions?, defaults: (any TokenizerOptions)?) throws {
        if let defaults = defaults as? Self { self = defaults }
        bins = try section.int("bins", default: bins, in: 2...4096, help: "number of bins of each feature")
        spacing = try section.choice(
            "spacing", default: spacing, help: "bins with equal numbers of values, or bins of equal width")
        fitJets = try section.int(
            "fit_jets", default: fitJets, in: 1...Int(Int32.max), help: "number of jets that the bins are fitted to")
    }

    package func makeInputs(_ jets: JetShape, section: String) -> any InputRepresentation {
        BinInputs(self, features: jets.features, section: section)
    }
}
