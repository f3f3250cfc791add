import Jets
import MPI
import Runs
import System

/// The jets of a run: those of `data.train`, and of `data.validation` if given.
package struct RunData {
    package let train: JetDataset
    package let validation: JetDataset?

    /// Opens the files; collective. Throws `AgreedError` if they cannot be used.
    package init(_ options: RunOptions, on communicator: Communicator) throws {
        let labels = options.objective.constituentLabels
        train = try JetDataset(
            paths: options.data.train, maxConstituents: options.data.maxConstituents, choice: options.choice,
            constituentLabels: labels, on: communicator)
        validation =
            options.data.validation.isEmpty
            ? nil
            : try JetDataset(
                paths: options.data.validation, maxConstituents: options.data.maxConstituents,
                jets: options.training.validationJets, choice: JetChoice(classes: options.choice.classes),
                constituentLabels: labels, on: communicator)
    }
}

/// Opens the files of `data.test`; collective. Throws `AgreedError` if there are none or they cannot be used.
///
/// - Parameters:
///   - jets: maximum number of jets; nil for all.
///   - classes: names of the classes to use; nil for those of the configuration.
///   - constituentLabels: datasets with a label for each constituent to read besides the features.
package func openTestJets(
    _ options: RunOptions, jets: Int? = nil, classes: [String]? = nil, constituentLabels: [String] = [],
    on communicator: Communicator
) throws -> JetDataset {
    try communicator.agree {
        guard !options.data.test.isEmpty else {
            throw KaonError("no test data are given; add data.test=[test.h5]")
        }
    }
    return try JetDataset(
        paths: options.data.test, maxConstituents: options.data.maxConstituents, jets: jets,
        choice: JetChoice(classes: classes ?? options.choice.classes), constituentLabels: constituentLabels,
        on: communicator)
}
