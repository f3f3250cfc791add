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

/// What `kaon bench` measures: training steps of a model on synthetic jets, against the machine's own matrix product.
package struct BenchmarkReport: Codable, Sendable {
    /// The rate of sgemm with M = 4096, N = K = 512, summed over the ranks [GF/s].
    package var gemmGigaflops: Double
    /// The multiply-adds of forward and backward passes, counted from the shapes, per second of whole steps [GF/s].
    package var modelGigaflops: Double
    /// The ratio of the two.
    package var efficiency: Double
    /// Jets of all ranks per second.
    package var jetsPerSecond: Double
    /// What the slowest rank waited for the sums of the gradients, and for slower ranks, after its backward pass, per
    /// step [ms]; nil on one rank.
    package var exposedCommunicationMilliseconds: Double?
    /// What the sums of the gradients take with nothing to hide behind, per step [ms]; nil on one rank.
    package var communicationMilliseconds: Double?
    /// The largest peak of a rank's memory [MiB].
    package var peakMemoryMiB: Double
    package var threads: Int
    package var ranks: Int
    /// What the matrix products multiply: fp32 or bf16.
    package var precision: String

    package enum CodingKeys: String, CodingKey {
        case gemmGigaflops = "gemm_gflops"
        case modelGigaflops = "model_gflops"
        case efficiency
        case jetsPerSecond = "jets_per_second"
        case exposedCommunicationMilliseconds = "exposed_communication_ms"
        case communicationMilliseconds = "communication_ms"
        case peakMemoryMiB = "peak_memory_mib"
        case threads, ranks, precision
    }
}

/// Times whole training steps of a configuration's model on jets with JetClass-like numbers of constituents and
/// random features; collective.
///
/// - Parameters:
///   - seconds: steps are repeated for at least this time.
///   - showsProfile: whether to print what the time of rank 0 went to, by kind of operation.
package func benchmark(
    _ options: RunOptions, seconds: Double, showsProfile: Bool = false, on communicator: Communicator,
    console: Console
) throws -> BenchmarkReport {
    let profile = showsProfile ? OperationProfile() : nil
    let threads = try ComputeThreads.start(options.threads, on: communicator)
    let precision = try options.parallel.precision.precision(on: communicator, console: console)
    let classes = options.objective.needsClasses ? JetClasses((0..<10).map { "class \($0)" }) : nil
    let objective = options.makeObjective(classes: classes)
    console.say(
        "kaon \(kaonVersion): \(plural(communicator.size, "rank")) × \(plural(threads, "thread")), "
            + "products in \(precision.name), OpenBLAS for \(BLAS.coreName); \(objective.parameters.count) parameters, "
            + "\(options.training.batchSize) jets a step in micro-batches of \(options.training.microBatchSize)")
    let jets = SyntheticJets(
        features: options.data.features.count, maximum: options.data.maxConstituents,
        constituentLabels: options.objective.constituentLabels.count)
    try objective.useSyntheticTokens(jets.centroids)
    let sharding = try communicator.agree { try Sharding(virtualShards: options.parallel.shards, on: communicator) }
    let step = try DataParallelStep(
        objective, optimizer: options.optimizer.makeOptimizer(for: objective.parameters), sharding: sharding,
        settings: .init(options, precision: precision), on: communicator, instruments: .init(profile: profile))

    func run(_ number: Int, jets count: Int) throws {
        let share = communicator.share(of: count)
        let first = number * options.training.batchSize + share.lowerBound
        let report = try step(
            {
                objective.microBatches(
                    jets.batch(first..<first + share.count), shards: sharding.ranges(ofBatch: count),
                    size: options.training.microBatchSize, phase: .training(step: number))
            }, learningRate: 1e-5, number: number)
        if let report, report.isSkipped {
            throw AgreedError(message: step.complaint(report, number: number))
        }
    }
    // The first passes fill the arena.
    try run(0, jets: min(options.training.batchSize, 8 * options.training.microBatchSize * communicator.size))
    profile?.reset()

    var gemm = BLAS.measuredGigaflops()
    let (operations, exposed) = (step.operations, step.exposedCommunication)
    try communicator.barrier()
    let begin = ContinuousClock.now
    var (steps, elapsed) = (0, 0.0)
    while elapsed < seconds {
        steps += 1
        try run(steps, jets: options.training.batchSize)
        elapsed = try communicator.allReduce(begin.duration(to: .now) / .seconds(1), .maximum)
    }
    if let profile { console.say(profile.table) }
    gemm = max(gemm, BLAS.measuredGigaflops())
    let rates = try communicator.allReduce([gemm, (step.operations - operations) / elapsed / 1e9])
    let waited = try communicator.allReduce((step.exposedCommunication - exposed) / Double(steps), .maximum)
    let alone = try communicator.allReduce((0..<5).map { _ in try step.measuredCommunication() }.min()!, .maximum)
    return BenchmarkReport(
        gemmGigaflops: rates[0], modelGigaflops: rates[1], efficiency: rates[1] / rates[0],
        jetsPerSecond: Double(steps * options.training.batchSize) / elapsed,
        exposedCommunicationMilliseconds: communicator.size > 1 ? 1000 * waited : nil,
        communicationMilliseconds: communicator.size > 1 ? 1000 * alone : nil,
        peakMemoryMiB: try communicator.allReduce(ProcessStatus.peakMemory, .maximum), threads: threads,
        ranks: communicator.size, precision: precision.rawValue)
}

extension OperationProfile {
    /// A line for every kind of operation, the longest first: calls, seconds, share of the time, and the rate of its
    /// matrix products [GF/s].
    package var table: String {
        let total = entries.values.reduce(0) { $0 + $1.seconds }
        func pad(_ name: String) -> String { name.padding(toLength: 26, withPad: " ", startingAt: 0) }
        return ([pad("operation") + "   calls   seconds   share    GF/s"]
            + entries.sorted { $0.value.seconds > $1.value.seconds }.map { name, entry in
                let rate = entry.operations > 0
                    ? String(format: "%7.1f", entry.operations / entry.seconds / 1e9) : ""
                return pad(name)
                    + String(format: "%8d  %8.3f  %5.1f%% ", entry.calls, entry.seconds, 100 * entry.seconds / total)
                    + rate
            }).joined(separator: "\n")
    }
}

extension BenchmarkReport {
    /// The figures, one a line, under the names of the JSON file.
    package var table: String {
        var rows: [(String, String)] = [
            ("gemm_gflops", String(format: "%.1f", gemmGigaflops)),
            ("model_gflops", String(format: "%.1f", modelGigaflops)),
            ("efficiency", String(format: "%.3f", efficiency)),
            ("jets_per_second", String(format: "%.2f", jetsPerSecond)),
        ]
        if let exposed = exposedCommunicationMilliseconds, let alone = communicationMilliseconds {
            rows.append(("exposed_communication_ms", String(format: "%.1f", exposed)))
            rows.append(("communication_ms", String(format: "%.1f", alone)))
        }
        rows += [
            ("peak_memory_mib", String(format: "%.0f", peakMemoryMiB)),
            ("threads", "\(threads)"),
            ("ranks", "\(ranks)"),
            ("precision", precision),
        ]
        return rows.map { $0.padding(toLength: 26, withPad: " ", startingAt: 0) + $1 }.joined(separator: "\n")
    }

    /// Writes the figures as JSON.
    package func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try writeAtomically(String(decoding: encoder.encode(self), as: UTF8.self) + "\n", to: path)
    }
}
