import Foundation
import Jets
import MPI
import NN
import Objectives
import Tensors

/// The data-parallel loop: every step computes the rank's part of a global batch, sums the gradients of all ranks, and
/// updates the parameters alike everywhere.
final class Trainer {
    private let objective: any Objective
    private let options: RunOptions
    private let train: JetLoader
    private let validation: JetLoader?
    private let communicator: Communicator
    private let console: Console
    private let optimizer: AdamW
    private let step: DataParallelStep
    private var state: TrainingState
    private let records: TrainingRecords

    init(
        _ objective: any Objective, optimizer: AdamW, state: TrainingState, options: RunOptions, train: JetLoader,
        validation: JetLoader?, on communicator: Communicator, console: Console, records: TrainingRecords
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
        step = DataParallelStep(
            objective, optimizer: optimizer, gradientClip: options.optimizer.gradientClip, on: communicator)
        if self.state.lossSums.isEmpty { self.state.lossSums = Array(repeating: 0, count: objective.terms.count) }
    }

    /// Trains until the configured number of steps.
    func run() throws {
        let settings = options.training
        let prefetcher = train.prefetcher()
        var meter = Throughput(step: state.step, jets: state.jets)
        while state.step < settings.steps {
            let request = JetLoader.Request(epoch: state.epoch, step: state.stepInEpoch)
            let isLast = state.step + 1 == settings.steps
            let batch = try prefetcher.value(for: request, thenPreparing: isLast ? nil : following(request))
            let learningRate = options.optimizer.learningRate * options.schedule.factor(step: state.step)
            let result = try step(
                objective.microBatches(batch, size: settings.microBatchSize, phase: .training),
                learningRate: learningRate, number: state.step + 1)
            advance(result, jets: train.order.batchCount(step: request.step))

            var row = MetricsRow(step: state.step, epoch: request.epoch, jets: state.jets)
            let isLogged = state.step % settings.logInterval == 0 || isLast
            if isLogged {
                row.train = takeMeanLosses()
                row.learningRate = learningRate
                row.gradientNorm = result.gradientNorm
                row.jetsPerSecond = meter.jetsPerSecond(upTo: state)
            }
            console.progress(
                meter.line(state, of: settings.steps, loss: row.train?[0] ?? total(result.losses)),
                isLogged: isLogged)
            let isValidated = validation != nil && (state.step % settings.validationInterval == 0 || isLast)
            if isValidated {
                row.validation = try meter.excluding { try validate() }
                console.say(describeValidation(row.validation!))
            }
            if isLogged || isValidated { try records.write(row, on: communicator) }
            if state.step % settings.checkpointInterval == 0 || isLast {
                try meter.excluding {
                    try records.save(objective, optimizer, state, on: communicator, console: console)
                }
            }
        }
        console.endProgress()
    }

    /// The losses over the validation files, the total first.
    private func validate() throws -> [Double] {
        guard let validation else { return [] }
        var losses = Array(repeating: 0.0, count: objective.terms.count)
        var counts = losses
        for step in 0..<validation.stepsPerEpoch {
            let batch = try validation.batch(epoch: 0, step: step)
            let size = options.training.microBatchSize
            for part in objective.microBatches(batch, size: size, phase: .validation) {
                let tape = Tape(recording: false)
                losses.add(part.evaluate(Array(repeating: 0, count: losses.count), tape))
                counts.add(part.counts)
            }
        }
        let reduced = try communicator.allReduce(losses + counts)
        let means = (0..<losses.count).map { i in
            reduced[losses.count + i] > 0 ? reduced[i] / reduced[losses.count + i] : 0
        }
        return [total(means)] + means
    }

    private func following(_ request: JetLoader.Request) -> JetLoader.Request {
        request.step + 1 < train.stepsPerEpoch
            ? JetLoader.Request(epoch: request.epoch, step: request.step + 1)
            : JetLoader.Request(epoch: request.epoch + 1, step: 0)
    }

    private func advance(_ result: DataParallelStep.Result, jets: Int) {
        let next = following(JetLoader.Request(epoch: state.epoch, step: state.stepInEpoch))
        state.step += 1
        state.epoch = next.epoch
        state.stepInEpoch = next.step
        state.jets += jets
        state.lossSums.add(result.losses)
        state.lossSteps += 1
    }

    private func takeMeanLosses() -> [Double] {
        let means = state.lossSums.map { $0 / Double(state.lossSteps) }
        state.lossSums = Array(repeating: 0, count: means.count)
        state.lossSteps = 0
        return [total(means)] + means
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
