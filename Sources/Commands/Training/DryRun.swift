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
import Training

/// `--dry-run`: prints what a run would do and need, measured with a few steps of the model on its data, and writes
/// nothing. Collective.
///
/// Tokens are random and the preprocessing is fitted to few jets, since the fits of a run may take minutes.
///
/// Throws `AgreedError` if the run itself could not start.
package func dryRun(_ options: RunOptions, in context: RunContext) throws {
    let (communicator, console) = (context.communicator, context.console)
    try checkStart(options, on: communicator)
    let start = try StartingPoint(options, in: context)
    let data = try RunData(options, on: communicator)
    let sharding = try communicator.agree {
        try Sharding(virtualShards: options.parallel.shards, on: communicator)
    }
    let setup = try TrainingSetup(options, data, sharding, in: context)
    let resolved = setup.options
    console.say(resolved.resolved)
    try setup.report(in: context)
    console.say("\n" + parts(of: setup.objective.parameters))
    // A checkpoint is read after the measurement, because the memory for its optimizer would count.
    if start.checkpoint == nil { _ = try PreparedRun.rehearse(setup, from: start, in: context) }

    let cost = try StepCost(setup, in: context)
    console.say("\n" + MemoryEstimate(setup, cost, ranks: communicator.size).table)
    console.say("\n" + duration(setup, cost, ranks: communicator.size))
    if let checkpoint = start.checkpoint {
        console.say("\n\(resolved.run.directory): the run would continue from \(checkpoint)")
        let done = try PreparedRun.rehearse(setup, from: start, in: context)
        if done >= resolved.training.steps { console.say("it has all \(done) steps: nothing would be trained") }
    }
    console.say("\nnothing was written to \(resolved.run.directory)")
}

/// Numbers of parameters by part of the model.
private func parts(of parameters: ParameterStore) -> String {
    var names: [String] = []
    var counts: [String: Int] = [:]
    for parameter in parameters.parameters {
        let words = parameter.name.split(separator: ".")
        // Each task is a part; other parameters are grouped by the first word of their name.
        let name = words.prefix(words[0] == "tasks" ? 2 : 1).joined(separator: ".")
        if counts[name] == nil { names.append(name) }
        counts[name, default: 0] += parameter.range.count
    }
    return aligned(
        [["part of the model", "parameters"]] + names.map { [$0, "\(counts[$0]!)"] } + [["all", "\(parameters.count)"]])
}

/// Estimated memory of rank 0.
private struct MemoryEstimate {
    private var rows: [(name: String, bytes: Int)]

    init(_ setup: TrainingSetup, _ cost: StepCost, ranks: Int) {
        let (options, train) = (setup.options, setup.data.train)
        let elements = setup.objective.parameters.values.count * 4
        let jet = cost.jetBytes / cost.jets
        let share = setup.jetsPerStep / ranks
        // Jets come to other ranks in every epoch; those of a validation do not.
        let jets = train.count + (setup.data.validation?.count ?? 0) / ranks
        let blocks = JetLoader.cachedBlocks(
            .init(batchSize: options.training.batchSize, seed: options.seed, shuffle: options.data.shuffle),
            setup.portion, ranks: ranks)
        let cache = max(JetLoader.cacheBytes, blocks * train.layout.blockRows * jet)
        let parameters = setup.parameters
        // Everything else that the measured steps needed: program code, buffers of libraries, gaps between tensors.
        let program =
            Int(ProcessStatus.peakMemory * 1024 * 1024) - 2 * elements - parameters.layoutBytes
            - cost.optimizerBytes - cost.activations - cost.jetBytes
        let isShared = parameters.sharedBytes > 0
        rows = [
            // Ranks that share memory have one copy of the weights.
            (
                "weights and gradients",
                isShared
                    ? parameters.sharedBytes / parameters.ranks.group.size : 2 * elements + parameters.layoutBytes
            ), ("optimizer", cost.optimizerBytes),
            (
                "micro-batch of \(options.training.microBatchSize) jets: activations and their gradients",
                cost.activations
            ),
            // The current batch, its targets, and the batch that is read ahead.
            ("batches of jets", 3 * jet * share),
            ("data cache", min(cache, jet * train.count)),
            // Rank 0 collects the state of all ranks.
            ("copy for checkpoints (rank 0)", elements + cost.optimizerBytes * (ranks > 1 ? 1 + ranks : 1)),
            ("program and libraries", max(0, program)),
        ]
        let backbone = options.objective.backbone
        if let tuning = options.objective.fineTuning, tuning.keepsEncodings, let shape = backbone?.shape {
            let rowsOfJet = cost.constituents / cost.jets + shape.registers
            rows.append(("encodings of jets", min(tuning.cacheLimit << 20, jets * rowsOfJet * shape.width * 4)))
        }
    }

    var table: String {
        let all = rows + [("all", rows.reduce(0) { $0 + $1.bytes })]
        return aligned([["memory per rank (estimate)", ""]] + all.map { [$0.name, megabytes($0.bytes)] })
    }
}

/// Number of steps and expected time.
private func duration(_ setup: TrainingSetup, _ cost: StepCost, ranks: Int) -> String {
    let training = setup.options.training
    let perEpoch = (setup.data.train.count + training.batchSize - 1) / training.batchSize
    let share = (setup.jetsPerStep + ranks - 1) / ranks
    let step = cost.step + cost.microBatch * Double(share) / Double(min(share, training.microBatchSize))
    let epochs = rounded(Double(training.steps) / Double(perEpoch), decimals: 1)
    return aligned([
        ["steps per epoch", "\(perEpoch)"],
        ["total steps", "\(training.steps), \(epochs) epochs"],
        [
            "step (extrapolated)",
            rounded(1000 * step, decimals: 1) + " ms, "
                + rounded(Double(setup.jetsPerStep) / step, decimals: 0) + " jets/s",
        ],
        [
            "expected time",
            clock(step * Double(training.steps))
                + ", without fits, validation and waiting for data",
        ],
    ])
}
