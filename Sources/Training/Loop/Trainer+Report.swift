import Configuration
import Distributed
import Foundation
import Jets
import MPI
import Objectives
import Runs
import Supervision
import System

/// Metrics, warnings and traces of the training loop.
extension Trainer {
    /// Columns of the metrics for the losses, without the total.
    var columns: Int { objective.terms.count + objective.monitors.count }

    /// Measures and writes what is due after a step, and after the last step also what is not due. Collective.
    ///
    /// Values that only the end of the run requires get a row of their own that is not counted: a run that is resumed
    /// with more steps then has the same rows as one that never ended here.
    func report(_ result: DataParallelStep.Report, epoch: Int, learningRate: Double) throws {
        let isLast = state.step == settings.steps
        let isTrainingDue = state.step % settings.logInterval == 0
        let isValidationDue = state.step % settings.validationInterval == 0

        var training: MetricsRow.Training?
        context.progress.enter(.summing)
        if isTrainingDue || isLast {
            training = MetricsRow.Training(
                losses: meanLosses(), learningRate: learningRate, gradientNorm: result.gradientNorm,
                jetsPerSecond: meter.jetsPerSecond(upTo: state.jets),
                dataWait: try trace.span("sum of the metrics") { try meanDataWait() },
                skippedSteps: state.skippedSteps)
        }
        let loss = training?.losses[0] ?? objective.total(result.losses)
        let epochs = Double(state.epoch) + Double(state.stepInEpoch) / Double(max(1, stepsPerEpoch))
        context.console.progress(
            meter.line(step: state.step, of: settings.steps, loss: loss),
            on: meter.progress(
                step: state.step, of: settings.steps, loss: loss,
                with: ["epoch \(rounded(epochs, decimals: 1))", "lr \(String(format: "%.1e", learningRate))"]),
            isLogged: training != nil)
        if isTrainingDue { resetLosses() }

        var validated: [Double?]?
        if let validation, isValidationDue || isLast {
            validated = try validate(on: validation)
            if isValidationDue { try noteValidation() }
        }

        context.progress.enter(.saving)
        let empty = MetricsRow(step: state.step, epoch: epoch, jets: state.jets)
        var (due, closing) = (empty, empty)
        if isTrainingDue { due.train = training } else { closing.train = training }
        if isValidationDue { due.validation = validated } else { closing.validation = validated }
        if due != empty {
            trace.span("metrics") { records.write(due) }
            state.rows += 1
        }
        if closing != empty { trace.span("metrics") { records.write(closing) } }
    }

    /// Means of the losses since the last row of metrics, the total first; nil if all steps were skipped.
    private func meanLosses() -> [Double?] {
        let means = zip(state.lossSums, state.lossSteps).map { $1 > 0 ? $0 / Double($1) : nil }
        return [objective.total(means)] + means
    }

    func resetLosses() {
        state.lossSums = Array(repeating: 0, count: columns)
        (state.lossSteps, state.skippedSteps) = (Array(repeating: 0, count: columns), 0)
    }

    /// Mean time that a rank waited for the jets of a step, since the last row of metrics [ms]; collective.
    private func meanDataWait() throws -> Double {
        defer { dataWait = (0, 0) }
        let communicator = context.communicator
        return 1000 * (try communicator.allReduce(dataWait.seconds))
            / Double(max(1, dataWait.steps) * communicator.size)
    }

    /// Warns about the first step without a constituent to predict, for which no term of the loss has a target.
    func reportMissingTargets(_ result: DataParallelStep.Report) {
        guard !hasWarnedOfMissingTargets, let masking = options.objective.masking,
            objective.total(result.losses) == nil
        else { return }
        hasWarnedOfMissingTargets = true
        let keys = [masking.key, "data.max_constituents"].map { key in
            "\(key) (\(options.configuration.value(of: key) ?? "null"))"
        }
        context.console.warn(
            "step \(state.step): no constituent of the batch is masked, so that there is nothing to predict and no "
                + "loss; raise \(keys.joined(separator: " or "))")
    }

    /// Warns about a skipped step. Throws `AgreedError` after too many in a row.
    func reportSkipped(_ result: DataParallelStep.Report) throws {
        let complaint = step.complaint(result, number: state.step)
        let limit = settings.maxSkippedSteps
        guard state.skippedInARow <= limit else {
            throw AgreedError(
                message: complaint + ", and training.max_skipped_steps allows \(limit) such steps in a row; the "
                    + "checkpoints are from before: lower optimizer.learning_rate or check the data")
        }
        context.console.warn("\(complaint): it is skipped, \(state.skippedInARow) of at most \(limit) in a row")
    }

    // MARK: - Traces

    /// Ends the recording of a step; writes the file after the last step that is recorded. Collective.
    func endTrace() throws {
        trace?.end()
        guard let steps = settings.profileSteps, steps.contains(state.step) else { return }
        hasUnwrittenTrace = true
        if state.step == steps.upperBound { try meter.excluding { try writeTrace() } }
    }

    /// Writes the recorded steps and prints the path; collective.
    func writeTrace() throws {
        guard hasUnwrittenTrace, let steps = settings.profileSteps else { return }
        hasUnwrittenTrace = false
        let rank = settings.profileRank
        let path = RunDirectory.trace(rank: rank, steps: steps, in: options.run.directory)
        var failure = ""
        do { try trace?.write(to: path) } catch { failure = "\(error)" }
        failure = try context.communicator.broadcast(failure, from: rank)
        if failure.isEmpty {
            context.console.say(
                "step \(state.step): the trace of rank \(rank) is \(path), for ui.perfetto.dev or chrome://tracing")
        } else {
            context.console.warn("step \(state.step): no trace was written: \(failure)")
        }
    }
}

extension Objective {
    /// The total loss of the means of all terms; nil if no term that counts in it has one.
    func total(_ means: [Double?]) -> Double? {
        guard zip(terms, means).contains(where: { $0.weightInTotal != 0 && $1 != nil }) else { return nil }
        return zip(terms, means).reduce(0) { $0 + $1.0.weightInTotal * ($1.1 ?? 0) }
    }

    /// The loss that selects the best checkpoint, of the validation means of all terms; nil if it had no target.
    func selectingLoss(_ means: [Double?]) -> Double? {
        guard let selectingTerm else { return total(means) }
        return zip(terms, means).first { $0.0 == selectingTerm }?.1
    }

    /// Name of the selecting loss in messages.
    var selection: String { "validation " + (selectingTerm?.name ?? "loss") }
}
