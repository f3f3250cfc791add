import ArgumentParser
import Distributed
import Jets
import MPI
import NN
import Objectives
import Runs
import Supervision
import System
import Tensors
import Training

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Benchmarks training on synthetic jets, relative to the peak of the processor.",
        discussion: """
            Times whole training steps (forward, backward, all-reduce, clipping, optimizer). The default model is \
            MPMv2 with k-means tokens in the size of the paper. No data files are read.

              kaon bench parallel.threads=1
              mpirun -n 2 kaon bench configs/small/mpmv2-kmeans.yaml --json bench.json

            With --scaling it times steps of 1, 2, 4, … 64 jets a rank, each for the given duration:

              mpirun -n 2 kaon bench --scaling --seconds 5 parallel.precision=bf16

            With --constituents it times steps of sets of 4000, 2000, 1000, … constituents, each for the given duration:

              kaon bench --constituents 4000 parallel.threads=1

            With --products it times the products of the model's linear maps with every kernel of the processor:

              kaon bench --products parallel.threads=1

            With --data it measures how fast the training data of a configuration are read, without training:

              mpirun -n 2 kaon bench --data configs/small/mpmv2-kmeans.yaml \\
                'data.train=[train.h5]'
            """)

    @Argument(
        help: "Configuration file (.yaml or .yml) and overrides; both are optional.",
        completion: .file(extensions: ["yaml", "yml"]))
    var arguments: [String] = []

    @Option(
        help: "Configuration whose training data are read; all arguments are overrides.",
        completion: .file(extensions: ["yaml", "yml"]))
    var data: String?

    @Option(help: "Minimum duration of the measurement [s].")
    var seconds = 20.0

    @Option(help: "Also write the results to this JSON file.", completion: .file(extensions: ["json"]))
    var json: String?

    @Flag(help: "Replace an existing JSON file.")
    var force = false

    @Flag(help: "Print the time of rank 0 by kind of operation.")
    var profile = false

    @Flag(help: "Measure steps of 1, 2, 4, … 64 jets a rank.")
    var scaling = false

    @Option(
        help: ArgumentHelp(
            "Measure sets of this many constituents, half as many, and so on; at least 8 sets a rank in a step.",
            valueName: "number"))
    var constituents: Int?

    @Flag(help: "Measure the products of the model's linear maps with every kernel, operands not in the caches.")
    var products = false

    func validate() throws {
        guard seconds > 0, seconds.isFinite else {
            throw ValidationError("--seconds must be greater than 0, found \(seconds)")
        }
        if let constituents, !(1...JetFileRules.maxConstituents).contains(constituents) {
            throw ValidationError(
                "--constituents must be from 1 to \(JetFileRules.maxConstituents), found \(constituents)")
        }
        if products, scaling || profile || constituents != nil || data != nil {
            let option =
                scaling ? "scaling" : profile ? "profile" : constituents != nil ? "constituents" : "data"
            throw ValidationError("--products measures products alone; leave --\(option) out")
        }
        if constituents != nil, scaling || profile || data != nil {
            let option = scaling ? "scaling" : profile ? "profile" : "data"
            throw ValidationError("--constituents measures sets of several sizes; leave --\(option) out")
        }
        if data != nil, json != nil || profile || scaling {
            let option = profile ? "profile" : scaling ? "scaling" : "json"
            throw ValidationError("--\(option) is for training steps; leave it out with --data")
        }
        if force, json == nil { throw ValidationError("--force is for --json; leave it out") }
        if scaling, profile {
            throw ValidationError("--profile is for steps of one size; leave it out with --scaling")
        }
    }

    func run() {
        Launch.onAllRanks { context in
            let (communicator, console) = (context.communicator, context.console)
            if let data {
                let options = try RunOptions.configuration(data, overrides: arguments, on: communicator)
                console.say(try benchmarkData(options, seconds: seconds, on: communicator).table)
                return .finished
            }
            let isFile = arguments.first.map { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") } ?? false
            let overrides = Array(arguments.dropFirst(isFile ? 1 : 0))
            let options =
                isFile
                ? try RunOptions.configuration(arguments[0], overrides: overrides, on: communicator)
                : try RunOptions.benchmarkConfiguration(overrides: overrides, on: communicator)
            if let json { try OutputFile(json, overwrites: force).check(on: communicator) }
            if scaling {
                let reports = try benchmarkScaling(options, seconds: seconds, in: context)
                console.say(BenchmarkReport.scalingTable(reports))
                if let json { _ = try communicator.onRoot { try reports.writeJSON(to: json) } }
                return .finished
            }
            if products {
                let report = try benchmarkProducts(options, seconds: seconds, in: context)
                console.say("products of the model's linear maps [GF/s]; the operands are not in the caches")
                console.say(report.table)
                if let json { _ = try communicator.onRoot { try report.rows.writeJSON(to: json) } }
                return .finished
            }
            if let constituents {
                let reports = try benchmarkConstituents(
                    options, largest: constituents, seconds: seconds, in: context)
                console.say(BenchmarkReport.constituentsTable(reports))
                if let json { _ = try communicator.onRoot { try reports.writeJSON(to: json) } }
                return .finished
            }
            let report = try benchmark(options, seconds: seconds, showsProfile: profile, in: context)
            console.say(report.table)
            if let json { _ = try communicator.onRoot { try report.writeJSON(to: json) } }
            return .finished
        }
    }
}

/// `kaon bench --scaling`: times training steps of 1, 2, 4, … 64 jets a rank. Collective. Throws `AgreedError`.
func benchmarkScaling(
    _ options: RunOptions, seconds: Double, in context: RunContext
) throws -> [BenchmarkReport] {
    try (0...6).map { power in
        var options = options
        options.training.batchSize = context.communicator.size << power
        return try benchmark(options, seconds: seconds, in: context)
    }
}

/// `kaon bench --constituents`: times training steps of sets with `largest` constituents, half as many, and so on down
/// to about 30, in ascending order. A step and its micro-batches have as many constituents as for jets of 40, a step at
/// least 8 sets a rank. Collective. Throws `AgreedError`.
func benchmarkConstituents(
    _ options: RunOptions, largest: Int, seconds: Double, in context: RunContext
) throws -> [BenchmarkReport] {
    let counts = (0..<16).map { (largest + (1 << $0) / 2) >> $0 }.filter { $0 >= 30 || $0 == largest }
    return try Set(counts).sorted().map { count in
        var options = options
        let ranks = context.communicator.size
        options.data.maxConstituents = max(count, options.data.maxConstituents)
        options.training.batchSize = ranks * max(8, options.training.batchSize * 40 / (count * ranks))
        options.training.givenMicroBatchSize = options.training.givenMicroBatchSize.map { max(1, $0 * 40 / count) }
        return try benchmark(options, constituents: count, seconds: seconds, in: context)
    }
}

/// Rates of this rank that bound the speed of a model: the peak, kaon's product and OpenBLAS' product [GF/s].
private func measuredBounds(_ precision: Precision) -> [Double] {
    [ProductRates.peak(precision), ProductRates.product(precision), ProductRates.library(seconds: 0.5)]
}

/// `kaon bench`: times training steps of a configuration's model on synthetic jets. Collective. Throws `AgreedError`.
///
/// - Parameters:
///   - constituents: number of constituents of every jet; nil for numbers like those of JetClass.
///   - seconds: steps are repeated for at least this time.
///   - showsProfile: true to print the time of rank 0 by kind of operation.
func benchmark(
    _ options: RunOptions, constituents: Int? = nil, seconds: Double, showsProfile: Bool = false,
    in context: RunContext
) throws -> BenchmarkReport {
    let (communicator, console) = (context.communicator, context.console)
    let profile = showsProfile ? OperationProfile() : nil
    let threads = try ComputeThreads.start(options.threads, on: communicator)
    let precision = try options.parallel.precision.precision(on: communicator, console: console)
    let jets = SyntheticJets(options, constituents: constituents)
    var options = options
    try options.chooseMicroBatchSize(
        constituents: jets.meanConstituents, precision: precision, threads: threads, on: communicator)
    let objective = options.makeObjective(classes: jets.classes)
    console.say(
        "kaon \(kaonVersion): \(plural(communicator.size, "rank")) × \(plural(threads, "thread")), "
            + "products in \(precision.name), OpenBLAS for \(BLAS.coreName); \(objective.parameters.count) parameters, "
            + "\(plural(options.training.batchSize, "jet")) per step in micro-batches of "
            + "\(options.training.microBatchSize)"
            + (constituents.map { ", \(plural($0, "constituent")) each" } ?? ""))
    Arena.shared.resetPeak()
    try objective.useSyntheticTokens(jets.centroids)
    let sharding = try communicator.agree { try Sharding(virtualShards: options.parallel.shards, on: communicator) }
    let parameters = try DistributedParameters(
        objective.parameters, largestGroup: options.parallel.ranksPerGroup, precision: precision,
        whole: options.optimizer.wholeParameters(of: objective.parameters), on: communicator, warn: console.warn)
    let step = try DataParallelStep(
        objective, parameters,
        optimizer: options.makeOptimizer(for: objective.parameters, elements: parameters.owned),
        sharding: sharding, settings: .init(options, precision: precision), instruments: .init(profile: profile))
    var division = BatchDivision(objective, options, precision: precision, sharding, parameters.ranks)

    // A backbone that rests at first is measured as it is trained for most of the run.
    let lastStep = max(0, options.training.steps - 1)
    func run(_ number: Int, jets count: Int) throws {
        let share = communicator.share(of: count)
        let first = number * options.training.batchSize + share.lowerBound
        let report = try step(
            {
                try division.microBatches(ofBatch: count, phase: .training(step: lastStep + number)) {
                    jets.batch(first..<first + share.count)
                }
            }, learningRate: 1e-5, number: number)
        if let report, report.isSkipped {
            throw AgreedError(message: step.complaint(report, number: number))
        }
    }
    // The first step fills the arena.
    try run(0, jets: min(options.training.batchSize, 8 * options.training.microBatchSize * communicator.size))
    profile?.reset()

    var bounds = measuredBounds(precision)
    let (operations, exposed, updating) = (step.operations, step.exposedCommunication, step.updateTime)
    let backward = step.lastBackwardTime
    try communicator.barrier()
    let begin = ContinuousClock.now
    var (steps, elapsed) = (0, 0.0)
    while elapsed < seconds {
        steps += 1
        try run(steps, jets: options.training.batchSize)
        elapsed = try communicator.allReduce(begin.duration(to: .now) / .seconds(1), .maximum)
    }
    if let profile { console.say(profile.table) }
    bounds = zip(bounds, measuredBounds(precision)).map { max($0, $1) }
    let rates = try communicator.allReduce(bounds + [(step.operations - operations) / elapsed / 1e9])
    let waited = try communicator.allReduce((step.exposedCommunication - exposed) / Double(steps), .maximum)
    let alone = try communicator.allReduce((0..<5).map { _ in try step.measuredCommunication() }.min()!, .maximum)
    return BenchmarkReport(
        peakGigaflops: rates[0], productGigaflops: rates[1], gemmGigaflops: rates[2],
        modelGigaflops: rates[3], efficiency: rates[3] / rates[0],
        jetsPerSecond: Double(steps * options.training.batchSize) / elapsed,
        exposedCommunicationMilliseconds: communicator.size > 1 ? 1000 * waited : nil,
        communicationMilliseconds: communicator.size > 1 ? 1000 * alone : nil,
        updateMilliseconds: 1000
            * (try communicator.allReduce((step.updateTime - updating) / Double(steps), .maximum)),
        lastBackwardMilliseconds: 1000
            * (try communicator.allReduce((step.lastBackwardTime - backward) / Double(steps), .maximum)),
        jetsPerStep: options.training.batchSize, microBatchSize: options.training.microBatchSize,
        parameters: objective.parameters.count,
        peakMemoryMiB: try communicator.allReduce(ProcessStatus.peakMemory, .maximum), threads: threads,
        ranks: communicator.size, groups: parameters.ranks.sizes.count, precision: precision.rawValue,
        constituents: constituents,
        constituentsPerSecond: constituents.map { Double(steps * options.training.batchSize * $0) / elapsed },
        tensorMemoryMiB: try communicator.allReduce(
            Double(Arena.shared.statistics.peakBytes + parameters.sharedBytes / parameters.ranks.group.size)
                / 1_048_576,
            .maximum))
}
