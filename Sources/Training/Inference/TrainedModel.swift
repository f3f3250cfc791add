import Jets
import Objectives
import Runs
import Supervision

/// The model of a checkpoint, ready for inference.
package struct TrainedModel {
    package let checkpoint: String
    /// The checksum of the checkpoint; nil for an exported model.
    let checksum: String?
    package let options: RunOptions
    package let objective: any Objective
    /// Preprocessing, classes and the state of the objective.
    package let state: ModelState

    /// Builds the model of a checkpoint and reads its weights; overrides may change keys that do not shape the model.
    ///
    /// Throws `HDF5Error`, `KaonError`, `ConfigurationError` or `ObjectiveError`.
    package init(_ checkpoint: String, overrides: [String]) throws {
        try self.init(checkpoint, RunOptions(ofCheckpoint: checkpoint, overrides: overrides))
    }

    /// The same with other options, such as those of its run, which may have changed since the checkpoint was written.
    package init(_ checkpoint: String, _ options: RunOptions) throws {
        (self.checkpoint, self.options) = (checkpoint, options)
        state = try ModelFile.state(of: checkpoint)
        checksum = try ModelFile.checksum(of: checkpoint)
        var inference = options
        inference.objective = options.objective.withoutEncodingCache
        objective = inference.makeObjective(classes: state.classes)
        try ModelFile.readWeights(
            from: checkpoint, into: objective.parameters, average: options.evaluatesAverage)
        try objective.restore(state.objective)
    }

    /// A loader of jets in the order of the files; collective.
    func loader(_ dataset: JetDataset, in context: RunContext) throws -> JetLoader {
        JetLoader(
            dataset: dataset,
            preprocessing: try state.preprocessing(
                fittedIfMissingTo: dataset, of: checkpoint, options, in: context),
            order: .init(batchSize: options.training.batchSize, seed: options.seed, shuffle: false),
            contents: .init(
                momenta: objective.needsMomenta, classOfLabel: state.classes?.indices(in: dataset)))
    }
}
