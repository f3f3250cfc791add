import Distributed
import Jets
import Objectives
import Runs
import Supervision
import System

/// Range of a learning-rate range test.
package struct RateRange: Sendable {
    package var first: Double
    package var last: Double
    package var steps: Int

    /// Throws `KaonError` if the range is not valid.
    package init(first: Double, last: Double, steps: Int) throws {
        guard first > 0, first.isFinite else { throw KaonError("--from must be greater than 0, found \(first)") }
        guard last > first, last.isFinite else {
            throw KaonError("--to must be greater than --from, which is \(first), found \(last)")
        }
        guard (20...100_000).contains(steps) else {
            throw KaonError("--steps must be from 20 to 100000, found \(steps)")
        }
        (self.first, self.last, self.steps) = (first, last, steps)
    }
}

/// Learning-rate range test (Smith, arXiv:1506.01186): trains the model of a configuration from its first weights for a
/// few steps with a learning rate that grows exponentially, until the loss diverges. Schedule, validation and
/// checkpoints play no part, and nothing is written. Collective.
///
/// The steps are numbered from the last step of the run on, so that a backbone that is frozen at first is trained.
///
/// Throws `AgreedError` if the run itself could not start. Returns nil if `context` has a reason to stop.
package func rateTest(_ options: RunOptions, _ range: RateRange, in context: RunContext) throws -> RateCurve? {
    var options = options
    // From the first weights, whatever the run folder contains.
    options.run.resume = .never
    options.training.average = nil
    options.run.evaluated = .never
    let communicator = context.communicator
    try communicator.agree { [options] in try checkStart(options, ranks: communicator.size) }
    let data = try RunData(options, on: communicator)
    context.progress.enter(.startUp)
    let sharding = try communicator.agree { [options] in
        try Sharding(virtualShards: options.parallel.shards, on: communicator)
    }
    let setup = try TrainingSetup(options, data, sharding, in: context)
    try setup.report(in: context)
    let run = try PreparedRun(setup, from: .firstWeights, keepsFits: false, in: context)
    return try curve(setup, run, range, in: context)
}

private func curve(
    _ setup: TrainingSetup, _ run: PreparedRun, _ range: RateRange, in context: RunContext
) throws -> RateCurve? {
    let (options, objective, sharding) = (setup.options, setup.objective, setup.sharding)
    let loader = setup.loader(setup.data.train, run.fitted.preprocessing, shuffle: options.data.shuffle)
    let instruments = DataParallelStep.Instruments(progress: context.progress)
    var division = BatchDivision(
        objective, options, precision: setup.precision, sharding, setup.parameters.ranks, instruments: instruments)
    let step = try DataParallelStep(
        objective, setup.parameters, optimizer: run.optimizer, sharding: sharding,
        settings: .init(options, precision: setup.precision), instruments: instruments)
    let last = max(0, options.training.steps - 1)
    func request(_ index: Int) -> JetLoader.Request {
        JetLoader.Request(epoch: index / loader.stepsPerEpoch, step: index % loader.stepsPerEpoch)
    }
    let prefetcher = loader.prefetcher()
    var curve = RateCurve()
    while curve.points.count < range.steps, !curve.hasDiverged {
        let index = curve.points.count
        let rate = RateCurve.rate(index, of: range.steps, from: range.first, to: range.last)
        let result = try step(
            {
                try division.microBatches(
                    ofBatch: loader.order.batchCount(step: request(index).step), phase: .training(step: last + index)
                ) {
                    try prefetcher.value(
                        for: request(index), thenPreparing: index + 1 < range.steps ? request(index + 1) : nil)
                }
            }, learningRate: rate, factors: objective.learningRateFactors(step: last + index), number: index + 1,
            shouldStop: context.stopReason() != nil)
        guard let result else {
            context.console.endProgress()
            return nil
        }
        context.progress.enter(.summing)
        _ = try objective.stepDidEnd(last + index, isSkipped: result.isSkipped, on: context.communicator)
        let loss = result.isSkipped ? nil : objective.total(result.losses)
        curve.add(rate: rate, loss: loss, gradientNorm: result.gradientNorm)
        context.console.progress(
            "step \(index + 1)/\(range.steps)  learning rate \(rounded(rate, digits: 3))  "
                + "loss \(loss.map { rounded($0, decimals: 4) } ?? "not finite")", isLogged: false)
    }
    context.console.endProgress()
    return curve
}
