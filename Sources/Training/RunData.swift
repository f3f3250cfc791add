import Jets
import MPI
import Runs
import System

/// The jets of a run: those of `data.train`, and of `data.validation` where there are any.
package struct RunData {
    package let train: JetDataset
    package let validation: JetDataset?

    /// Opens the files; collective. Throws `AgreedError` where they cannot be used.
    package init(_ options: RunOptions, on communicator: Communicator) throws {
        let labels = options.objective.constituentLabels
        train = try JetDataset(
            paths: options.data.train, maxConstituents: options.data.maxConstituents, choice: options.choice,
            constituentLabels: labels, on: communicator)
        validation = options.data.validation.isEmpty ? nil
            : try JetDataset(
                paths: options.data.validation, maxConstituents: options.data.maxConstituents,
                jets: options.training.validationJets, choice: JetChoice(classes: options.choice.classes),
                constituentLabels: labels, on: communicator)
    }
}

/// The jets of `data.test`; collective. Throws `AgreedError` where there are none or they cannot be used.
///
/// - Parameters:
///   - classes: the names of the classes to look at; nil for those of the configuration.
///   - constituentLabels: what is read of every constituent besides its features.
package func openTestJets(
    _ options: RunOptions, jets: Int? = nil, classes: [String]? = nil, constituentLabels: [String] = [],
    on communicator: Communicator
) throws -> JetDataset {
    try communicator.agree {
        guard !options.data.test.isEmpty else {
            throw KaonError("there are no jets to look at; give data.test=[test.h5]")
        }
    }
    return try JetDataset(
        paths: options.data.test, maxConstituents: options.data.maxConstituents, jets: jets,
        choice: JetChoice(classes: classes ?? options.choice.classes), constituentLabels: constituentLabels,
        on: communicator)
}
