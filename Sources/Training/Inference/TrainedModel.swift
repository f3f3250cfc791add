import Jets
import Objectives
import Runs

/// The model of a checkpoint, ready for inference.
package struct TrainedModel {
    package let checkpoint: String
    package let options: RunOptions
    package let objective: any Objective
    package let fitted: FittedState

    /// Builds the model of a checkpoint and reads its weights; overrides may change keys that do not shape the model.
    ///
    /// Throws `HDF5Error`, `KaonError`, `ConfigurationError` or `ObjectiveError`.
    package init(_ checkpoint: String, overrides: [String]) throws {
        self.checkpoint = checkpoint
        options = try RunOptions(ofCheckpoint: checkpoint, overrides: overrides)
        fitted = try ModelFile.fittedState(of: checkpoint)
        objective = options.makeObjective(classes: fitted.classes)
        try ModelFile.readWeights(from: checkpoint, into: objective.parameters)
        try objective.restore(fitted.objective)
    }

    /// A loader of jets in the order of the files.
    func loader(_ dataset: JetDataset) -> JetLoader {
        JetLoader(
            dataset: dataset, preprocessing: fitted.preprocessing,
            order: .init(batchSize: options.training.batchSize, seed: options.seed, shuffle: false),
            contents: .init(
                momenta: objective.needsMomenta, classOfLabel: fitted.classes?.indices(in: dataset)))
    }
}
