import Foundation
import Jets
import MPI
import NN
import Objectives
import Tensors

/// The data-parallel loop: every step computes the rank's part of a global batch, sums the gradients of all
/// ranks, and updates the parameters alike everywhere.
final class Trainer {
    private let objective: any Objective
    private let options: RunOptions
    private let train: JetLoader
    private let validation: JetLoader?
    private let communicator: Communicator
    private let console: Console
    private let optimizer: AdamW
    private let step: DataParallelStep
    private let progress: ProgressBoard
    private let sharding: Sharding
    private var state: TrainingState
    private var meter: Throughput
    private let records: TrainingRecords
    /// What this rank waited for its jets since that was last told: seconds, and steps.
    private var waited = (seconds: 0.0, steps: 0)

    init(
        _ objective: any Objective, optimizer: AdamW, state: TrainingState, options: RunOptions,
        train: JetLoader,
        validation: JetLoader?, on communicator: Communicator, console: Console, records: TrainingRecords,
        sharding: Sharding, progress: ProgressBoard
    ) {
        self.objective = objective
        self.optimizer = optimizer
        self.state = state
        self.options = options
        self.train = train
        self.validation = validation
        self.communicator = communicator
        self.console = console
        self.records = records
        self.progress = progress
        self.sharding = sharding
        step = DataParallelStep(
            objective, optimizer: optimizer, gradientClip: options.optimizer.gradientClip, on: communicator,
            parallel: options.parallel, sharding: sharding, progress: progress,
            detectsAnomalies: options.training.detectAnomaly)
        meter = Throughput(step: state.step, jets: state.jets)
        if state.lossSums.isEmpty { forgetLosses() }
    }

    /// Trains until the configured number of steps, or until `shouldStop` is true on a rank: then a
    /// checkpoint is written at once. Throws `AgreedError` when a rank cannot go on; collective.
    func run(shouldStop: () -> Bool) throws -> RunOutcome {
        let settings = options.training
        let prefetcher = train.prefetcher()
        while state.step < settings.steps {
            let epoch = state.epoch
            let learningRate = options.optimizer.learningRate * options.schedule.factor(step: state.step)
            let result = try step(
                { try microBatches(from: prefetcher) }, learningRate: learningRate, number: state.step + 1,
                shouldStop: shouldStop())
            guard let result else {
                console.say("stopped by a signal after \(state.step) of \(settings.steps) steps")
                try save()
                return .stopped
            }
            advance(result)
            try report(result, epoch: epoch, learningRate: learningRate)
            if state.step % settings.checkpointInterval == 0 || state.step == settings.steps { try save() }
        }
        console.endProgress()
        return .finished
    }

    /// This rank's part of the batch that is next, in micro-batches.
    private func microBatches(
        from prefetcher: Prefetcher<JetLoader.Request, JetBatch>
    ) throws -> [[MicroBatch]] {
        let request = JetLoader.Request(epoch: state.epoch, step: state.stepInEpoch)
        let isLast = state.step + 1 == options.training.steps
        let begin = ContinuousClock.now
        let batch = try prefetcher.value(for: request, thenPreparing: isLast ? nil : following(request))
        waited = (waited.seconds + begin.duration(to: .now) / .seconds(1), waited.steps + 1)
        return objective.microBatches(
            batch, shards: sharding.ranges(ofBatch: train.order.batchCount(step: request.step)),
            size: options.training.microBatchSize, phase: .training)
    }

    /// Measures and writes what is due after a step, and at the end of the run what is not due as well.
    ///
    /// What only the end asks for has a row of its own that does not count: a run that is continued with more
    /// steps has the same rows as one that never ended here.
    private func report(_ result: DataParallelStep.Report, epoch: Int, learningRate: Double) throws {
        let settings = options.training
        let isLast = state.step == settings.steps
        let isTrainingDue = state.step % settings.logInterval == 0
        let isValidationDue = state.step % settings.validationInterval == 0

        var train: MetricsRow.Training?
        progress.enter(.summing)
        if isTrainingDue || isLast {
            train = MetricsRow.Training(
                losses: meanLosses(), learningRate: learningRate, gradientNorm: result.gradientNorm,
                jetsPerSecond: meter.jetsPerSecond(upTo: state.jets), dataWait: try meanDataWait())
        }
        let line = meter.line(
            step: state.step, of: settings.steps, loss: train?.losses[0] ?? total(result.losses))
        console.progress(line, isLogged: train != nil)
        if isTrainingDue { forgetLosses() }

        var losses: [Double]?
        if validation != nil, isValidationDue || isLast {
            losses = try meter.excluding { try validate() }
            console.say(describeValidation(losses!))
        }

        progress.enter(.saving)
        let empty = MetricsRow(step: state.step, epoch: epoch, jets: state.jets)
        var (due, closing) = (empty, empty)
        if isTrainingDue { due.train = train } else { closing.train = train }
        if isValidationDue { due.validation = losses } else { closing.validation = losses }
        if due != empty {
            try records.write(due, on: communicator)
            state.rows += 1
        }
        if closing != empty { try records.write(closing, on: communicator) }
    }

    private func save() throws {
        progress.enter(.saving)
        try meter.excluding {
            try records.save(objective, optimizer, state, on: communicator, console: console)
        }
    }

    /// The losses over the validation files, the total first; collective.
    private func validate() throws -> [Double] {
        guard let validation else { return [] }
        let zeros = Array(repeating: 0.0, count: objective.terms.count)
        // For every shard of this rank the sums of the terms, then what each is averaged over.
        var sums = sharding.ranges(ofBatch: 0).map { _ in zeros + zeros }
        try communicator.agree {
            for step in 0..<validation.stepsPerEpoch {
                progress.enter(.validation)
                let batch = try validation.batch(epoch: 0, step: step)
                let shards = objective.microBatches(
                    batch, shards: sharding.ranges(ofBatch: validation.order.batchCount(step: step)),
                    size: options.training.microBatchSize, phase: .validation)
                for (shard, parts) in shards.enumerated() {
                    for part in parts {
                        let tape = Tape(recording: false)
                        let losses = part.evaluate(zeros.map { Float($0) }, tape)
                        sums[shard].add(losses + part.counts)
                    }
                }
            }
            progress.enter(.summing)
        }
        let reduced = try sharding.sum(sums)
        let means = zip(reduced, reduced.dropFirst(zeros.count)).map { $1 > 0 ? $0 / $1 : 0 }
        return [total(means)] + means
    }

    private func following(_ request: JetLoader.Request) -> JetLoader.Request {
        if let count = options.training.overfitBatches {
            return JetLoader.Request(epoch: 0, step: (request.step + 1) % min(count, train.stepsPerEpoch))
        }
        return request.step + 1 < train.stepsPerEpoch
            ? JetLoader.Request(epoch: request.epoch, step: request.step + 1)
            : JetLoader.Request(epoch: request.epoch + 1, step: 0)
    }

    private func advance(_ result: DataParallelStep.Report) {
        let done = JetLoader.Request(epoch: state.epoch, step: state.stepInEpoch)
        let next = following(done)
        state.step += 1
        state.epoch = next.epoch
        state.stepInEpoch = next.step
        state.jets += train.order.batchCount(step: done.step)
        state.lossSums.add(result.losses)
        state.lossSteps += 1
    }

    /// The losses since the last row, the total first.
    private func meanLosses() -> [Double] {
        let means = state.lossSums.map { $0 / Double(state.lossSteps) }
        return [total(means)] + means
    }

    /// The time of a step in which a rank waited for its jets, mean over ranks and steps [ms]; collective.
    private func meanDataWait() throws -> Double {
        defer { waited = (0, 0) }
        return 1000 * (try communicator.allReduce(waited.seconds))
            / Double(max(1, waited.steps) * communicator.size)
    }

    private func forgetLosses() {
        state.lossSums = Array(repeating: 0, count: objective.terms.count)
        state.lossSteps = 0
    }

    private func total(_ losses: [Double]) -> Double {
        zip(objective.terms, losses).reduce(0) { $0 + $1.0.weight * $1.1 }
    }

    private func describeValidation(_ losses: [Double]) -> String {
        let terms = zip(objective.terms, losses.dropFirst()).map {
            "\($0.name) \(String(format: "%.4f", $1))"
        }
        return "step \(state.step): validation loss \(String(format: "%.4f", losses[0])) ("
            + terms.joined(separator: ", ") + ")"
    }
}
