import Distributed
import Foundation
import Jets
import MPI
import NN
import Objectives
import Runs
import Supervision
import System
import Tensors

/// The data-parallel loop: every step computes the rank's part of a global batch, sums the gradients of all
/// ranks, and updates the parameters alike everywhere.
package final class Trainer {
    private let objective: any Objective
    private let options: RunOptions
    private let train: JetLoader
    private let validation: JetLoader?
    private let communicator: Communicator
    private let console: Console
    private let optimizer: any Optimizer
    private let step: DataParallelStep
    private let progress: ProgressTracker
    private let sharding: Sharding
    private let precision: Precision
    private var state: TrainingState
    private var meter: Throughput
    private let records: TrainingRecords
    private let budget: TimeBudget?
    /// Of the rank whose steps are to be recorded.
    private let trace: StepTrace?
    /// Whether a step has been recorded, on whichever rank, that no file has yet.
    private var hasTrace = false
    /// The step of the last validation, and its total loss.
    private var validated: (step: Int, loss: Double)?
    /// The time of the validation of this step, and of the slowest until now [s].
    private var (validationSeconds, slowestValidation) = (0.0, 0.0)
    /// What this rank waited for its jets since that was last told: seconds, and steps.
    private var waited = (seconds: 0.0, steps: 0)

    package init(
        _ objective: any Objective, optimizer: any Optimizer, state: TrainingState, options: RunOptions,
        train: JetLoader,
        validation: JetLoader?, on communicator: Communicator, console: Console, records: TrainingRecords,
        budget: TimeBudget?, sharding: Sharding, progress: ProgressTracker, precision: Precision
    ) throws {
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
        self.precision = precision
        self.budget = budget
        let settings = options.training
        trace = communicator.rank == settings.profileRank
            ? settings.profileSteps.map { StepTrace(steps: $0, rank: communicator.rank) } : nil
        var stepSettings = DataParallelStep.Settings(options, precision: precision)
        stepSettings.detectsAnomalies = settings.detectAnomaly
        step = try DataParallelStep(
            objective, optimizer: optimizer, sharding: sharding, settings: stepSettings, on: communicator,
            instruments: .init(trace: trace, progress: progress))
        meter = Throughput(step: state.step, jets: state.jets)
        if state.lossSums.count != columns { forgetLosses() }
        if let rows = records.rows { self.state.rows = rows }
    }

    /// Trains until the configured number of steps, or until `shouldStop` is true on a rank or the time is
    /// up: then a checkpoint is written at once. Throws `AgreedError` when a rank cannot go on; collective.
    package func run(shouldStop: () -> Bool) throws -> RunOutcome {
        // Whatever ends the run, a checkpoint that is on its way arrives.
        defer { records.finishSaving() }
        let settings = options.training
        let prefetcher = train.prefetcher()
        // Without validations, which few steps have.
        var slowestStep = 0.0
        while state.step < settings.steps, !isPatienceSpent {
            trace?.begin(step: state.step + 1)
            let begin = ContinuousClock.now
            let epoch = state.epoch
            let learningRate = options.optimizer.learningRate * options.schedule.factor(step: state.step)
            let factors = objective.learningRateFactors(step: state.step)
            // A run that has time for a single step alone still gets on.
            let isTimeUp = slowestStep > 0
                && (budget?.isSpent(
                    reserving: 2 * (slowestStep + records.slowestSave) + nextValidation(step: slowestStep)) ?? false)
            let result = try step(
                { try microBatches(from: prefetcher) }, learningRate: learningRate,
                factors: factors, number: state.step + 1,
                shouldStop: shouldStop() || isTimeUp)
            guard let result else {
                trace?.end(isDone: false)
                try writeTrace()
                records.finishSaving()
                let reason = isTimeUp ? budget!.reason : "a signal"
                console.say("stopped by \(reason) after \(state.step) of \(settings.steps) steps")
                try saveLast()
                return .stopped
            }
            progress.enter(.summing)
            let monitors = try trace.span("end of the step") {
                try objective.stepDidEnd(state.step, isSkipped: result.isSkipped, on: communicator)
            }
            advance(result, monitors)
            try report(result, epoch: epoch, learningRate: learningRate)
            if !result.isSkipped {
                meter.excluding { records.writeHistograms(objective.parameters, factors: factors, step: state.step) }
            }
            if result.isSkipped { try noteSkipped(result) }
            if state.step == settings.steps || isPatienceSpent {
                try trace.span("last checkpoint") { try saveLast() }
            } else if isBest || !result.isSkipped && state.step % settings.checkpointInterval == 0 {
                progress.enter(.saving)
                meter.excluding {
                    trace.span("checkpoint copy") {
                        records.startSaving(objective, optimizer, state, validationLoss: validationLoss)
                    }
                }
            }
            trace?.end()
            if let profiled = settings.profileSteps, profiled.contains(state.step) {
                hasTrace = true
                if state.step == profiled.upperBound { try meter.excluding { try writeTrace() } }
            }
            slowestStep = max(slowestStep, begin.duration(to: .now) / .seconds(1) - validationSeconds)
            (slowestValidation, validationSeconds) = (max(slowestValidation, validationSeconds), 0)
        }
        console.endProgress()
        try writeTrace()
        if isPatienceSpent {
            let lowest = state.lowest.map { "has not fallen below " + String(format: "%.4f", $0) } ?? "is no number"
            console.say(
                "stopped early after \(state.step) of \(settings.steps) steps: the validation loss \(lowest) for "
                    + plural(state.sinceLowest, "validation"))
        }
        return .finished
    }

    /// The time of the validation that comes with the next step, if one does [s]; before the first is known, as many
    /// steps as it has batches.
    private func nextValidation(step seconds: Double) -> Double {
        guard let validation, (state.step + 1) % options.training.validationInterval == 0 else { return 0 }
        return slowestValidation > 0 ? 1.5 * slowestValidation : Double(validation.stepsPerEpoch) * seconds
    }

    /// Writes the steps that were recorded, and tells where; collective.
    private func writeTrace() throws {
        guard hasTrace, let steps = options.training.profileSteps else { return }
        hasTrace = false
        let rank = options.training.profileRank
        let path = RunDirectory.trace(rank: rank, steps: steps, in: options.run.directory)
        var failure = ""
        do { try trace?.write(to: path) } catch { failure = "\(error)" }
        failure = try communicator.broadcast(failure, from: rank)
        if failure.isEmpty {
            console.say(
                "step \(state.step): the trace of rank \(rank) is \(path), for ui.perfetto.dev or chrome://tracing")
        } else {
            console.warn("step \(state.step): no trace was written: \(failure)")
        }
    }

    /// Whether the validation loss has not fallen for as long as the run waits for it.
    private var isPatienceSpent: Bool {
        options.training.earlyStoppingPatience.map { state.sinceLowest >= $0 } ?? false
    }

    /// Whether the parameters as they are have to be kept, because early stopping will ask for them.
    private var isBest: Bool {
        options.training.earlyStoppingPatience != nil && state.sinceLowest == 0 && validated?.step == state.step
    }

    /// Warns of a step that was skipped. Throws `AgreedError` when there were too many in a row.
    private func noteSkipped(_ result: DataParallelStep.Report) throws {
        let complaint = step.complaint(result, number: state.step)
        let limit = options.training.maxSkippedSteps
        guard state.skippedInARow <= limit else {
            throw AgreedError(
                message: complaint + ", and training.max_skipped_steps allows \(limit) such steps in a row; the "
                    + "checkpoints are those from before: lower optimizer.learning_rate or look at the data")
        }
        console.warn("\(complaint): it is skipped, \(state.skippedInARow) of at most \(limit) in a row")
    }

    /// This rank's part of the batch that is next, in micro-batches.
    private func microBatches(
        from prefetcher: Prefetcher<JetLoader.Request, JetBatch>
    ) throws -> [[MicroBatch]] {
        let request = JetLoader.Request(epoch: state.epoch, step: state.stepInEpoch)
        let isLast = state.step + 1 == options.training.steps
        let begin = ContinuousClock.now
        let batch = try trace.span("waiting for jets") {
            try prefetcher.value(for: request, thenPreparing: isLast ? nil : following(request))
        }
        waited = (waited.seconds + begin.duration(to: .now) / .seconds(1), waited.steps + 1)
        return trace.span("masks and targets") {
            objective.microBatches(
                batch, shards: sharding.ranges(ofBatch: train.order.batchCount(step: request.step)),
                size: options.training.microBatchSize, phase: .training(step: state.step))
        }
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
                jetsPerSecond: meter.jetsPerSecond(upTo: state.jets), dataWait: try meanDataWait(),
                skippedSteps: state.skippedSteps)
        }
        let line = meter.line(
            step: state.step, of: settings.steps, loss: train?.losses[0] ?? total(result.losses))
        console.progress(line, isLogged: train != nil)
        if isTrainingDue { forgetLosses() }

        var losses: [Double?]?
        if validation != nil, isValidationDue || isLast {
            let begin = ContinuousClock.now
            losses = try trace.span("validation") { try meter.excluding { try validate() } }
            validationSeconds = begin.duration(to: .now) / .seconds(1)
            validated = (state.step, losses![0]!)
            if isValidationDue { noteValidation(losses![0]!) }
            console.say(describeValidation(losses!))
        }

        progress.enter(.saving)
        let empty = MetricsRow(step: state.step, epoch: epoch, jets: state.jets)
        var (due, closing) = (empty, empty)
        if isTrainingDue { due.train = train } else { closing.train = train }
        if isValidationDue { due.validation = losses } else { closing.validation = losses }
        if due != empty {
            trace.span("metrics") { records.write(due) }
            state.rows += 1
        }
        if closing != empty { trace.span("metrics") { records.write(closing) } }
    }

    private func saveLast() throws {
        progress.enter(.saving)
        try records.saveLast(objective, optimizer, state, validationLoss: validationLoss, on: communicator)
    }

    /// The validation loss of the parameters as they are, if it is known.
    private var validationLoss: Double? { validated?.step == state.step ? validated?.loss : nil }

    private func noteValidation(_ loss: Double) {
        if loss < state.lowest ?? .infinity {
            (state.lowest, state.sinceLowest) = (loss, 0)
        } else {
            state.sinceLowest += 1
        }
    }

    /// What the columns are over the validation files, the total first; collective.
    private func validate() throws -> [Double?] {
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
                        let tape = Tape(recording: false, precision: precision)
                        let losses = part.evaluate(zeros.map { Float($0) }, tape)
                        sums[shard].add(losses + part.counts)
                    }
                }
            }
            progress.enter(.summing)
        }
        let reduced = try sharding.sum(sums)
        let means = zip(reduced, reduced.dropFirst(zeros.count)).map { $1 > 0 ? $0 / $1 : nil }
        let monitors = try objective.validationDidEnd(on: communicator)
        return [total(means)] + means + monitors
    }

    private func following(_ request: JetLoader.Request) -> JetLoader.Request {
        if let count = options.training.overfitBatches {
            return JetLoader.Request(epoch: 0, step: (request.step + 1) % min(count, train.stepsPerEpoch))
        }
        return request.step + 1 < train.stepsPerEpoch
            ? JetLoader.Request(epoch: request.epoch, step: request.step + 1)
            : JetLoader.Request(epoch: request.epoch + 1, step: 0)
    }

    private func advance(_ result: DataParallelStep.Report, _ monitors: [Double]) {
        let done = JetLoader.Request(epoch: state.epoch, step: state.stepInEpoch)
        let next = following(done)
        state.step += 1
        state.epoch = next.epoch
        state.stepInEpoch = next.step
        state.jets += train.order.batchCount(step: done.step)
        if result.isSkipped {
            state.skippedSteps += 1
            state.skippedInARow += 1
        } else {
            state.skippedInARow = 0
            for (column, value) in (result.losses + monitors).enumerated() {
                guard let value else { continue }
                state.lossSums[column] += value
                state.lossSteps[column] += 1
            }
        }
    }

    /// The columns of the metrics but the total.
    private var columns: Int { objective.terms.count + objective.monitors.count }

    /// What the columns were since the last row, the total first; nil where all steps were skipped.
    private func meanLosses() -> [Double?] {
        let means = zip(state.lossSums, state.lossSteps).map { $1 > 0 ? $0 / Double($1) : nil }
        return [means.contains { $0 != nil } ? total(means) : nil] + means
    }

    /// The time of a step in which a rank waited for its jets, mean over ranks and steps [ms]; collective.
    private func meanDataWait() throws -> Double {
        defer { waited = (0, 0) }
        return 1000 * (try communicator.allReduce(waited.seconds))
            / Double(max(1, waited.steps) * communicator.size)
    }

    private func forgetLosses() {
        state.lossSums = Array(repeating: 0, count: columns)
        (state.lossSteps, state.skippedSteps) = (Array(repeating: 0, count: columns), 0)
    }

    private func total(_ losses: [Double?]) -> Double {
        zip(objective.terms, losses).reduce(0) { $0 + $1.0.weightInTotal * ($1.1 ?? 0) }
    }

    private func describeValidation(_ losses: [Double?]) -> String {
        let terms = zip(objective.terms.map(\.name) + objective.monitors, losses.dropFirst()).compactMap { name, loss in
            loss.map { "\(name) \(String(format: "%.4f", $0))" }
        }
        return "step \(state.step): validation loss \(String(format: "%.4f", losses[0]!)) ("
            + terms.joined(separator: ", ") + ")"
    }
}
