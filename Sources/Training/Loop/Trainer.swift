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

/// The data-parallel training loop: each rank computes its part of a global batch, the gradients are summed over all
/// ranks, and every rank updates the parameters that it owns.
package final class Trainer {
    let objective: any Objective
    let options: RunOptions
    let context: RunContext
    let sharding: Sharding
    let precision: Precision
    private let loader: JetLoader
    private var division: BatchDivision
    let validation: JetLoader?
    let parameters: DistributedParameters
    let optimizer: any Optimizer
    let step: DataParallelStep
    let records: TrainingRecords
    /// The position of the run: steps, epoch and jets so far.
    var state: TrainingState
    /// Jets per second and the remaining time.
    var meter: Throughput
    /// Longest durations so far, to judge whether another step fits into the time limit.
    var durations = Durations()
    /// Time that this rank has waited for jets since the last row of metrics.
    var dataWait = (seconds: 0.0, steps: 0)
    /// Step and selecting loss of the last validation; nil for a loss without a target.
    var lastValidation: (step: Int, loss: Double?)?
    /// Set on the rank whose steps are recorded.
    let trace: StepTrace?
    /// True if a warning about a step without a constituent to predict was printed.
    var hasWarnedOfMissingTargets = false
    /// True if a step was recorded, on any rank, that is not in a file yet.
    var hasUnwrittenTrace = false

    var settings: RunOptions.Training { options.training }
    /// Batches of an epoch.
    var stepsPerEpoch: Int { loader.stepsPerEpoch }
    /// Completed steps, also those of earlier starts.
    package var steps: Int { state.step }
    /// Steps of earlier starts.
    private let firstStep: Int

    /// - Parameter validation: the jets of every validation; nil for none.
    package init(
        _ setup: TrainingSetup, _ run: PreparedRun, _ loader: JetLoader, validation: JetLoader?,
        _ records: TrainingRecords, in context: RunContext
    ) throws {
        (objective, options, sharding, precision) = (setup.objective, setup.options, setup.sharding, setup.precision)
        (parameters, optimizer, state, firstStep) = (setup.parameters, run.optimizer, run.state, run.state.step)
        (self.loader, self.validation, self.records, self.context) = (loader, validation, records, context)
        let rank = context.communicator.rank
        trace = options.training.profileSteps.flatMap { [options] steps in
            rank == options.training.profileRank ? StepTrace(steps: steps, rank: rank) : nil
        }
        var stepSettings = DataParallelStep.Settings(options, precision: precision)
        stepSettings.detectsAnomalies = options.training.detectAnomaly
        let instruments = DataParallelStep.Instruments(trace: trace, progress: context.progress)
        division = BatchDivision(
            objective, options, precision: precision, sharding, setup.parameters.ranks, instruments: instruments)
        step = try DataParallelStep(
            objective, setup.parameters, optimizer: run.optimizer, sharding: sharding, settings: stepSettings,
            instruments: instruments)
        meter = Throughput(step: state.step, jets: state.jets)
        if state.lossSums.count != columns { resetLosses() }
        if let rows = records.rows { state.rows = rows }
    }

    /// Trains until the configured number of steps, or until a rank has to stop: then a checkpoint is written at once.
    /// Collective. Throws `AgreedError` if any rank cannot continue.
    package func run() throws -> RunOutcome {
        // A checkpoint that is being written in the background is completed, however the run ends.
        defer { finishSaving() }
        let prefetcher = loader.prefetcher()
        while state.step < settings.steps, !isPatienceSpent {
            let begin = ContinuousClock.now
            trace?.begin(step: state.step + 1)
            let epoch = state.epoch
            let learningRate = options.optimizer.learningRate * options.schedule.factor(step: state.step)
            let factors = objective.learningRateFactors(step: state.step)
            let stopReason = context.stopReason(reserving: reservedTime)

            // Forward and backward passes, sum of the gradients over the ranks, update.
            let result = try keepingSteps {
                try step(
                    { try microBatches(from: prefetcher) }, learningRate: learningRate, factors: factors,
                    number: state.step + 1, shouldStop: stopReason != nil)
            }
            guard let result else {
                try stop(because: stopReason ?? "a signal")
                return .stopped
            }
            context.progress.enter(.summing)
            let monitors = try trace.span("end of the step") {
                try objective.stepDidEnd(state.step, isSkipped: result.isSkipped, on: context.communicator)
            }
            advance(result, monitors)

            // Metrics, validation and checkpoint, where they are due.
            reportMissingTargets(result)
            try report(result, epoch: epoch, learningRate: learningRate)
            if result.isSkipped {
                try reportSkipped(result)
            } else {
                try meter.excluding { try records.writeHistograms(factors: factors, step: state.step) }
            }
            if state.step == settings.steps || isPatienceSpent {
                try trace.span("last checkpoint") { try saveLast() }
            } else if isBest || !result.isSkipped && state.step % settings.checkpointInterval == 0 {
                startSaving()
            }
            try endTrace()
            durations.add(step: begin.duration(to: .now) / .seconds(1))
        }
        context.console.endProgress()
        try writeTrace()
        if isPatienceSpent { reportEarlyStop() }
        records.end()
        return .finished
    }

    /// Runs a step; if the ranks agree that it cannot be done, such as for a file that cannot be read, the steps before
    /// it are saved first. Collective.
    private func keepingSteps<R>(_ step: () throws -> R) throws -> R {
        do {
            return try step()
        } catch let error as AgreedError {
            if state.step > firstStep {
                finishSaving()
                if (try? saveLast()) != nil {
                    context.console.say("a checkpoint of step \(state.step) is written: the run ends with an error")
                }
            }
            throw error
        }
    }

    /// Ends the run before its last step, with a checkpoint; collective.
    private func stop(because reason: String) throws {
        trace?.end(isDone: false)
        try writeTrace()
        finishSaving()
        context.console.say("stopped by \(reason) after \(state.step) of \(settings.steps) steps")
        try saveLast()
    }

    /// Time that another step takes at most, with its validation and the last checkpoint [s]; nil before the first
    /// step, so that a run with time for a single step still makes progress.
    private var reservedTime: Double? {
        guard durations.step > 0 else { return nil }
        return 2 * (durations.step + records.slowestSave) + nextValidationTime
    }

    // MARK: - Batches

    /// This rank's part of the next batch, shard by shard, in micro-batches.
    private func microBatches(from prefetcher: Prefetcher<JetLoader.Request, JetBatch>) throws -> [[MicroBatch]] {
        let request = JetLoader.Request(epoch: state.epoch, step: state.stepInEpoch)
        let isLast = state.step + 1 == settings.steps
        return try division.microBatches(
            ofBatch: loader.order.batchCount(step: request.step), phase: .training(step: state.step)
        ) {
            let begin = ContinuousClock.now
            let batch = try trace.span("waiting for jets") {
                try prefetcher.value(for: request, thenPreparing: isLast ? nil : following(request))
            }
            dataWait = (dataWait.seconds + begin.duration(to: .now) / .seconds(1), dataWait.steps + 1)
            return batch
        }
    }

    /// The batch after this one.
    private func following(_ request: JetLoader.Request) -> JetLoader.Request {
        if let count = settings.overfitBatches {
            return JetLoader.Request(epoch: 0, step: (request.step + 1) % min(count, loader.stepsPerEpoch))
        }
        return request.step + 1 < loader.stepsPerEpoch
            ? JetLoader.Request(epoch: request.epoch, step: request.step + 1)
            : JetLoader.Request(epoch: request.epoch + 1, step: 0)
    }

    /// Moves the position of the run behind the step, and adds the losses to those of the next row of metrics.
    private func advance(_ result: DataParallelStep.Report, _ monitors: [Double]) {
        let done = JetLoader.Request(epoch: state.epoch, step: state.stepInEpoch)
        let next = following(done)
        state.step += 1
        state.epoch = next.epoch
        state.stepInEpoch = next.step
        state.jets += loader.order.batchCount(step: done.step)
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

    // MARK: - Checkpoints

    private func startSaving() {
        context.progress.enter(.saving)
        meter.excluding {
            trace.span("checkpoint copy") { records.startSaving(state, validationLoss: validationLoss) }
        }
    }

    /// Waits for the checkpoint that is being written. The activity stays that before, which error messages name.
    private func finishSaving() {
        let activity = context.progress.current.activity
        context.progress.enter(.saving)
        records.finishSaving()
        context.progress.enter(activity)
    }

    private func saveLast() throws {
        context.progress.enter(.saving)
        try records.saveLast(state, validationLoss: validationLoss, on: context.communicator)
    }
}

extension Trainer {
    /// Longest durations so far [s].
    struct Durations {
        /// Of a step without its validation.
        private(set) var step = 0.0
        private(set) var validation = 0.0
        private var latestValidation = 0.0

        mutating func add(validation seconds: Double) {
            latestValidation = seconds
            validation = max(validation, seconds)
        }

        /// - Parameter seconds: duration of a step including the validation that was added before, if any.
        mutating func add(step seconds: Double) {
            step = max(step, seconds - latestValidation)
            latestValidation = 0
        }
    }
}
