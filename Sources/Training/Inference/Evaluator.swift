import Distributed
import Jets
import MPI
import Objectives
import Supervision
import Tensors

/// Applies a model to all jets of a loader without training it: the loop of validation and of `kaon evaluate`.
///
///     var evaluator = Evaluator(objective, loader, sharding, microBatchSize: 64, precision: .single, in: context)
///     for step in 0..<loader.stepsPerEpoch { try evaluator.add(step: step) }
///     let means = try evaluator.finish().means
struct Evaluator {
    /// Results over the jets of all ranks.
    struct Outcome {
        /// The mean of every loss term; nil if its count is 0.
        let means: [Double?]
        /// The monitors of the objective.
        let monitors: [Double]
    }

    /// Predictions for all jets so far in their order, on rank 0; empty unless they are collected.
    private(set) var predictions = Predictions()

    private let objective: any Objective
    private let loader: JetLoader
    private let sharding: Sharding
    private let microBatchSize: Int
    private let precision: Precision
    private let context: RunContext
    /// For every shard of this rank the sums of the terms, followed by their counts.
    private var sums: [[Double]]

    init(
        _ objective: any Objective, _ loader: JetLoader, _ sharding: Sharding, microBatchSize: Int,
        precision: Precision, in context: RunContext
    ) {
        (self.objective, self.loader, self.sharding) = (objective, loader, sharding)
        (self.microBatchSize, self.precision, self.context) = (microBatchSize, precision, context)
        let zeros = Array(repeating: 0.0, count: 2 * objective.terms.count)
        sums = sharding.ranges(ofBatch: 0).map { _ in zeros }
    }

    /// Adds batch `step` of the loader; collective. Throws `AgreedError`.
    ///
    /// - Parameter collectsPredictions: whether to keep the predictions for its jets.
    mutating func add(step: Int, collectsPredictions: Bool = false) throws {
        let found = try context.communicator.agree {
            context.progress.enter(.validation)
            let batch = try loader.batch(epoch: 0, step: step)
            var found = Predictions()
            for (shard, range) in sharding.ranges(ofBatch: loader.order.batchCount(step: step)).enumerated() {
                for start in stride(from: range.lowerBound, to: range.upperBound, by: microBatchSize) {
                    let jets = batch.slice(jets: start..<min(start + microBatchSize, range.upperBound))
                    let part = objective.prepare(jets, phase: .validation)
                    let tape = Tape(recording: false, precision: precision)
                    sums[shard].add(part.evaluate(objective.terms.map { _ in 0 }, tape) + part.counts)
                    if collectsPredictions { found.append(part.predict(loader.preprocessing, tape)) }
                }
            }
            context.progress.enter(.summing)
            return found
        }
        if collectsPredictions, let all = try found.gathered(on: context.communicator) { predictions.append(all) }
    }

    /// Sums over shards and ranks; collective.
    func finish() throws -> Outcome {
        let terms = objective.terms.count
        let total = try sharding.sum(sums)
        let means = zip(total, total.dropFirst(terms)).map { $1 > 0 ? $0 / $1 : nil }
        return Outcome(means: means, monitors: try objective.validationDidEnd(on: context.communicator))
    }
}
