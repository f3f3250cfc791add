import Jets
import Runs
import Supervision
import System

extension ModelState {
    /// The preprocessing of the model; if it was imported without one, quantiles of the jets that it is applied to,
    /// with a warning. Collective, and bit-identical for any number of ranks. Throws `AgreedError` if a rank cannot
    /// read.
    ///
    /// - Parameters:
    ///   - path: the file of the model.
    ///   - options: the configuration of the model.
    package func preprocessing(
        fittedIfMissingTo dataset: JetDataset, of path: String, _ options: RunOptions, in context: RunContext
    ) throws -> any Preprocessing {
        if let preprocessing { return preprocessing }
        let count = min(dataset.count, options.preprocessing.jets)
        context.console.warn(Self.warning(path, "\(plural(count, "jet")) of data.test"))
        return try options.preprocessing.fit(
            dataset, features: options.data.features, seed: options.seed, on: context.communicator)
    }

    static func warning(_ path: String, _ jets: String) -> String {
        "\(path) was imported without a preprocessing: quantiles are fitted to \(jets), so the results depend on these "
            + "jets; kaon-import --preprocessor adds the transformer that the model was trained with"
    }
}
