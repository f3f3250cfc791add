import Jets
import Objectives
import System

/// Validation between steps, and early stopping by its selecting loss.
extension Trainer {
    /// Validates and prints the losses; returns the columns of the metrics. Collective.
    func validate(on loader: JetLoader) throws -> [Double?] {
        let begin = ContinuousClock.now
        let columns = try trace.span("validation") {
            try meter.excluding {
                try withEvaluatedWeights {
                    var evaluation = Evaluator(
                        objective, loader, sharding, microBatchSize: settings.microBatchSize, precision: precision,
                        in: context)
                    for step in 0..<loader.stepsPerEpoch { try evaluation.add(step: step) }
                    let outcome = try evaluation.finish()
                    return [objective.total(outcome.means)] + outcome.means + outcome.monitors
                }
            }
        }
        durations.add(validation: begin.duration(to: .now) / .seconds(1))
        lastValidation = (state.step, objective.selectingLoss(Array(columns[1...objective.terms.count])))
        context.console.say(description(ofValidation: columns))
        return columns
    }

    /// Runs a validation, with the moving average of the weights where that is what the run evaluates.
    private func withEvaluatedWeights<R>(_ work: () throws -> R) throws -> R {
        guard options.evaluatesAverage, let average = optimizer.state.average else { return try work() }
        return try parameters.withValues(average.values, work)
    }

    /// Expected duration of the validation after the next step, if one is due [s]; before the first, that of as many
    /// steps as it has batches.
    var nextValidationTime: Double {
        let next = state.step + 1
        guard let validation, next == settings.steps || next % settings.validationInterval == 0 else { return 0 }
        return durations.validation > 0
            ? 1.5 * durations.validation : Double(validation.stepsPerEpoch) * durations.step
    }

    /// The selecting validation loss of the current parameters, if it was measured.
    var validationLoss: Double? { lastValidation?.step == state.step ? lastValidation?.loss : nil }

    /// Updates the lowest selecting loss after a validation, for early stopping. Collective.
    ///
    /// If the weights with the lowest loss are in no checkpoint, such as after a save that has failed, the next weights
    /// that are better than the best checkpoint are saved, instead of none until the loss is lower still.
    func noteValidation() throws {
        if settings.earlyStoppingPatience != nil {
            context.progress.enter(.saving)
            if let saved = try records.lossAfterFailure(on: context.communicator) {
                state.lowest = saved.isFinite ? saved : nil
            }
        }
        if let loss = validationLoss, loss < state.lowest ?? .infinity {
            (state.lowest, state.sinceLowest) = (loss, 0)
        } else {
            state.sinceLowest += 1
        }
    }

    /// True if the selecting loss has not fallen for `early_stopping_patience` validations.
    var isPatienceSpent: Bool {
        settings.earlyStoppingPatience.map { state.sinceLowest >= $0 } ?? false
    }

    /// True if early stopping needs a checkpoint of the current parameters, the best so far.
    var isBest: Bool {
        settings.earlyStoppingPatience != nil && state.sinceLowest == 0 && lastValidation?.step == state.step
    }

    func reportEarlyStop() {
        let lowest = state.lowest.map { "has not fallen below " + rounded($0, decimals: 4) } ?? "is not a number"
        context.console.say(
            "stopped early after \(state.step) of \(settings.steps) steps: the \(objective.selection) \(lowest) for "
                + plural(state.sinceLowest, "validation"))
    }

    private func description(ofValidation columns: [Double?]) -> String {
        let names = objective.terms.map(\.name) + objective.monitors.map(\.rawValue)
        let terms = zip(names, columns.dropFirst()).compactMap { name, value in
            value.map { "\(name) \(rounded($0, decimals: 4))" }
        }
        return "step \(state.step): validation loss \(columns[0].map { rounded($0, decimals: 4) } ?? "none")"
            + (terms.isEmpty ? "" : " (" + terms.joined(separator: ", ") + ")")
    }
}
