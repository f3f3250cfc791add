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

/// `--dry-run`: tells what a run would do and need, from the real data and a few steps of the real model, and writes
/// nothing; collective.
///
/// Tokens are random and the preprocessing is fitted to a few jets, since the fits of a run may take minutes.
///
/// Throws `AgreedError` where the run itself could not begin.
package func dryRun(_ options: RunOptions, on communicator: Communicator, console: Console) throws {
    try communicator.agree { try checkStart(options, ranks: communicator.size) }
    let data = try RunData(options, on: communicator)
    let (train, validation) = (data.train, data.validation)
    // Closing a file waits for the other ranks.
    try withExtendedLifetime(data) {
        let threads = try ComputeThreads.start(options.threads, on: communicator)
        let precision = try options.parallel.precision.precision(on: communicator, console: console)
        let classes = options.objective.needsClasses
            ? try communicator.agree { try JetClasses(options.choice, in: train) } : nil
        let objective = options.makeObjective(classes: classes)
        console.say(options.resolved)
        try reportStart(
            options, objective, train, validation, threads: threads, precision: precision, on: communicator,
            console: console)
        console.say("\n" + parts(of: objective.parameters))

        let trial = try Trial(options, objective, train, classes: classes, precision: precision, on: communicator)
        let share = options.training.batchSize / communicator.size
        let needs = Memory(options, objective.parameters, train, trial: trial, share: share,
            jets: (train.count + (validation?.count ?? 0)) / communicator.size)
        console.say("\n" + needs.table)
        console.say("\n" + duration(options, train, trial: trial, ranks: communicator.size))
        let latest = RunDirectory.checkpointCandidates(in: options.run.directory).first
        if let latest, options.run.resume == .auto {
            console.say("\n\(options.run.directory) has checkpoints: the run would go on from \(latest)")
        }
        console.say("\nnothing was written to \(options.run.directory)")
    }
}

/// The numbers of parameters by the parts of the model.
private func parts(of parameters: ParameterStore) -> String {
    var names: [String] = []
    var counts: [String: Int] = [:]
    for parameter in parameters.parameters {
        let words = parameter.name.split(separator: ".")
        // Each task is a part; of the rest, what its name begins with.
        let name = words.prefix(words[0] == "tasks" ? 2 : 1).joined(separator: ".")
        if counts[name] == nil { names.append(name) }
        counts[name, default: 0] += parameter.range.count
    }
    return aligned(
        [["part of the model", "parameters"]] + names.map { [$0, "\(counts[$0]!)"] } + [["all", "\(parameters.count)"]])
}

/// A few steps of the model on jets of the data: what they take.
private struct Trial {
    /// The time of a micro-batch, forward and backward, and of what every step has once [s]; of the slowest rank.
    let microBatch, step: Double
    /// Memory that tensors have taken besides parameters, gradients and optimizer [bytes].
    let activations: Int
    /// Memory of the optimizer's state [bytes].
    let optimizerBytes: Int
    /// The jets of its batch: their memory [bytes], their number, and that of their constituents.
    let jetBytes, jets, constituents: Int

    init(
        _ options: RunOptions, _ objective: any Objective, _ train: JetDataset, classes: JetClasses?,
        precision: Precision, on communicator: Communicator
    ) throws {
        let preprocessing = try Self.preprocessing(options, objective, train, on: communicator)
        let size = options.training.microBatchSize
        let share = max(1, options.training.batchSize / communicator.size)
        let most = min(4, (share + size - 1) / size)
        let loader = JetLoader(
            dataset: train, preprocessing: preprocessing,
            order: .init(
                batchSize: min(size, share) * communicator.size * most, seed: options.seed,
                shuffle: options.data.shuffle),
            contents: .init(
                momenta: objective.needsMomenta,
                classOfLabel: try communicator.agree { try classes?.indices(in: train) }))
        let batch = try communicator.agree { try loader.batch(epoch: 0, step: 0) }
        (jets, constituents) = (max(1, batch.count), batch.identities.count)
        jetBytes = 4 * (batch.values.count + constituents)
        try objective.useSyntheticTokens(
            SyntheticJets(features: options.data.features.count, maximum: options.data.maxConstituents).centroids)
        let optimizer = options.optimizer.makeOptimizer(for: objective.parameters)
        optimizerBytes = optimizer.state.bytes
        let before = Arena.shared.statistics.usedBytes
        let sharding = try communicator.agree { try Sharding(virtualShards: options.parallel.shards, on: communicator) }
        let once = try DataParallelStep(
            objective, optimizer: optimizer, sharding: sharding, settings: .init(options, precision: precision),
            on: communicator)
        // The backbone of a fine-tuning learns at the end, if ever.
        let number = max(1, options.training.steps)

        /// The time of a step of some micro-batches.
        func time(_ count: Int) throws -> Double {
            let begin = ContinuousClock.now
            _ = try once(
                {
                    let all = batch.slice(jets: 0..<min(batch.count, count * size))
                    return objective.microBatches(
                        all, shards: sharding.ranges(ofBatch: all.count * communicator.size), size: size,
                        phase: .training(step: number - 1))
                }, learningRate: 0, number: number)
            return try communicator.allReduce(begin.duration(to: .now) / .seconds(1), .maximum)
        }
        // The first fills the arena.
        _ = try time(most)
        var best = (one: Double.infinity, most: Double.infinity)
        var spent = 0.0
        repeat {
            best.one = min(best.one, try time(1))
            best.most = min(best.most, try time(most))
            spent += best.one + best.most
        } while spent < 3
        microBatch = most > 1 ? max(0, best.most - best.one) / Double(most - 1) : best.one
        step = max(0, best.one - microBatch)
        activations = max(0, Arena.shared.statistics.peakBytes - before)
    }

    private static func preprocessing(
        _ options: RunOptions, _ objective: any Objective, _ train: JetDataset, on communicator: Communicator
    ) throws -> any Preprocessing {
        if let source = options.backbone ?? options.tokenizer {
            let known = try communicator.agree { try Checkpoint.fittedState(of: source) }
            if options.backbone != nil { try communicator.agree { try objective.adopt(backbone: known.objective) } }
            return known.preprocessing
        }
        var few = options.preprocessing
        few.jets = min(few.jets, 2000)
        return try few.fit(train, features: options.data.features, seed: options.seed, on: communicator)
    }
}

/// What rank 0 needs [bytes].
private struct Memory {
    private var rows: [(name: String, bytes: Int)]

    /// - Parameters:
    ///   - share: jets of this rank in a batch.
    ///   - jets: jets of this rank in all files.
    init(
        _ options: RunOptions, _ parameters: ParameterStore, _ train: JetDataset, trial: Trial, share: Int, jets: Int
    ) {
        let elements = parameters.values.count * 4
        let jet = trial.jetBytes / trial.jets
        // What the trial has needed besides the tensors: kernels, buffers of libraries, spare room between tensors.
        let program = Int(ProcessStatus.peakMemory * 1024 * 1024) - 2 * elements - trial.optimizerBytes
            - trial.activations - trial.jetBytes
        rows = [
            ("weights and gradients", 2 * elements), ("optimizer", trial.optimizerBytes),
            (
                "a micro-batch of \(options.training.microBatchSize) jets: activations and their gradients",
                trial.activations
            ),
            // One at work in micro-batches, with its targets, and one that is read ahead.
            ("batches of jets", 3 * jet * share),
            ("cache of the data", min(JetLoader.cacheBytes, jet * train.count)),
            ("the copy for checkpoints (rank 0)", elements + trial.optimizerBytes),
            ("program and libraries", max(0, program)),
        ]
        let backbone = options.objective.backbone
        if let tuning = options.objective.fineTuning, tuning.keepsEncodings, let shape = backbone?.shape {
            let rowsOfJet = trial.constituents / trial.jets + shape.registers
            rows.append(("encodings of jets", min(tuning.cacheLimit << 20, jets * rowsOfJet * shape.width * 4)))
        }
    }

    var table: String {
        let all = rows + [("all", rows.reduce(0) { $0 + $1.bytes })]
        return aligned([["memory of a rank (estimate)", ""]] + all.map { [$0.name, megabytes($0.bytes)] })
    }
}

/// Steps and the time for them.
private func duration(_ options: RunOptions, _ train: JetDataset, trial: Trial, ranks: Int) -> String {
    let training = options.training
    let perEpoch = (train.count + training.batchSize - 1) / training.batchSize
    let share = (training.batchSize + ranks - 1) / ranks
    let step = trial.step + trial.microBatch * Double(share) / Double(training.microBatchSize)
    let epochs = rounded(Double(training.steps) / Double(perEpoch), decimals: 1)
    return aligned([
        ["steps of an epoch", "\(perEpoch)"],
        ["steps in all", "\(training.steps), \(epochs) epochs"],
        ["a step (measured on parts of one)", rounded(1000 * step, decimals: 1) + " ms, "
            + rounded(Double(training.batchSize) / step, decimals: 0) + " jets/s"],
        ["expected time", clock(step * Double(training.steps))
            + ", without fits, validation and the wait for data"],
    ])
}
