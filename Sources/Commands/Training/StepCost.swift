import Distributed
import Foundation
import Jets
import MPI
import NN
import Objectives
import Runs
import Supervision
import Tensors
import Training

/// Time and memory of a training step, measured with a few steps of the model on jets of its data.
struct StepCost {
    /// Forward and backward pass of a micro-batch, and the part of a step that does not depend on their number [s]; of
    /// the slowest rank.
    let microBatch, step: Double
    /// Peak memory of tensors besides parameters, gradients and optimizer [bytes].
    let activations: Int
    /// Memory of the optimizer's state [bytes].
    let optimizerBytes: Int
    /// The measured batch: its memory [bytes], and its numbers of jets and constituents.
    let jetBytes, jets, constituents: Int

    /// Collective. Throws `AgreedError`.
    init(_ setup: TrainingSetup, in context: RunContext) throws {
        let communicator = context.communicator
        let (options, objective, sharding) = (setup.options, setup.objective, setup.sharding)
        let size = options.training.microBatchSize
        let share = max(1, options.training.batchSize / communicator.size)
        let most = min(4, (share + size - 1) / size)
        let loader = JetLoader(
            dataset: setup.data.train, preprocessing: try Self.preprocessing(setup, in: context),
            order: .init(
                batchSize: min(size, share) * communicator.size * most, seed: options.seed,
                shuffle: options.data.shuffle),
            contents: .init(
                momenta: objective.needsMomenta,
                classOfLabel: setup.classes?.indices(in: setup.data.train)))
        let batch = try communicator.agree { try loader.batch(epoch: 0, step: 0) }
        (jets, constituents) = (max(1, batch.count), batch.identities.count)
        jetBytes = 4 * (batch.values.count + constituents)
        try objective.useSyntheticTokens(SyntheticJets(options).centroids)
        let optimizer = options.makeOptimizer(
            for: objective.parameters, elements: setup.parameters.owned)
        optimizerBytes = optimizer.state.bytes
        let before = Arena.shared.statistics.usedBytes
        let train = try DataParallelStep(
            objective, setup.parameters, optimizer: optimizer, sharding: sharding,
            settings: .init(options, precision: setup.precision))
        var division = BatchDivision(
            objective, options, precision: setup.precision, sharding, setup.parameters.ranks)
        // The last step of the run: a backbone that is frozen at first is trained by then.
        let number = max(1, options.training.steps)

        /// Time of a step of `count` micro-batches on the slowest rank [s].
        func time(_ count: Int) throws -> Double {
            let begin = ContinuousClock.now
            _ = try train(
                {
                    let all = batch.slice(jets: 0..<min(batch.count, count * size))
                    return try division.microBatches(
                        ofBatch: all.count * communicator.size, phase: .training(step: number - 1)
                    ) { all }
                }, learningRate: 0, number: number)
            return try communicator.allReduce(begin.duration(to: .now) / .seconds(1), .maximum)
        }
        // The first step fills the arena.
        _ = try time(most)
        var best = (one: Double.infinity, most: Double.infinity)
        var spent = 0.0
        repeat {
            let (one, all) = (try time(1), try time(most))
            best = (min(best.one, one), min(best.most, all))
            spent += one + all
        } while spent < 3
        microBatch = most > 1 ? max(0, best.most - best.one) / Double(most - 1) : best.one
        step = max(0, best.one - microBatch)
        activations = max(0, Arena.shared.statistics.peakBytes - before)
    }

    private static func preprocessing(
        _ setup: TrainingSetup, in context: RunContext
    ) throws -> any Preprocessing {
        if let known = try setup.adoptPretrained(in: context) { return known }
        var few = setup.options.preprocessing
        few.jets = min(few.jets, 2000)
        return try few.fit(
            setup.data.train, features: setup.options.data.features, seed: setup.options.seed,
            on: context.communicator)
    }
}
