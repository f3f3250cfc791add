import Configuration
import Jets
import MPI
import Models
import Tensors

/// Inputs of a backbone that are the bins of the features (Finke et al., arXiv:2303.07364): a vector with a one at the
/// bin of each feature, of which the linear embedding of the backbone learns a vector for each bin.
package final class BinInputs: InputRepresentation {
    private let features: Int
    private var bins: FittedBins

    /// - Parameter section: the section of the configuration, for messages.
    init(_ options: FittedBins.Options, features: Int, section: String) {
        self.features = features
        bins = FittedBins(options, features: features, section: section)
    }

    package var dimension: Int { features * bins.count }

    package func replacingValues(of jets: Constituents) -> Constituents {
        let values = Tensor(repeating: 0, shape: [jets.values.rows, dimension])
        for (place, bin) in bins.indices(of: jets.values).enumerated() {
            values.pointer[place * bins.count + Int(bin)] = 1
        }
        return Constituents(
            values: values, identities: jets.identities, offsets: jets.offsets, momenta: jets.momenta)
    }

    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        try bins.fit(to: jets, on: communicator)
        report("inputs: \(bins.count) bins of each of \(features) features")
    }

    package func useSyntheticTokens(_ points: (Int) -> Tensor) throws { try bins.useSyntheticTokens(points) }

    package var state: ObjectiveState { bins.state }

    package func restore(_ state: ObjectiveState) throws { try bins.restore(state) }
}

extension FittedBins.Options: TokenizerOptions {
    package init(inputs section: Section, vqvae: VQVAEOptions?, defaults: (any TokenizerOptions)?) throws {
        try self.init(from: section, mostBins: 4096, defaults: defaults as? Self ?? Self())
    }

    package func makeInputs(_ jets: JetShape, section: String) -> any InputRepresentation {
        BinInputs(self, features: jets.features, section: section)
    }
}
