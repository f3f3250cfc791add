import Foundation
import Jets
import MPI
import Runs
import System
import Training

/// Results of `kaon bench --data`: reading without training.
struct DataBenchmarkReport: Sendable {
    /// Results of one rank, or of all together.
    struct Figures: Sendable {
        /// Jets per second that are read and packed, without preprocessing.
        var jetsPerSecond: Double
        /// The same in 10⁶ bytes per second of packed values, identities, offsets and labels.
        var megabytesPerSecond: Double
        /// Jets per second with preprocessing, as in training.
        var preprocessedJetsPerSecond: Double
        /// Peak memory [MiB]; the maximum over all ranks for the total.
        var peakMemoryMiB: Double
    }

    /// Number of jets in use.
    let jets: Int
    /// Number of files.
    let files: Int
    /// Time until the data are open on all ranks [s].
    let startSeconds: Double
    /// Results by rank.
    let ranks: [Figures]

    /// All ranks together.
    var total: Figures {
        Figures(
            jetsPerSecond: ranks.reduce(0) { $0 + $1.jetsPerSecond },
            megabytesPerSecond: ranks.reduce(0) { $0 + $1.megabytesPerSecond },
            preprocessedJetsPerSecond: ranks.reduce(0) { $0 + $1.preprocessedJetsPerSecond },
            peakMemoryMiB: ranks.map(\.peakMemoryMiB).max()!)
    }

    /// One line per rank.
    var table: String {
        func row(_ name: String, _ figures: Figures) -> [String] {
            [
                name, rounded(figures.jetsPerSecond, decimals: 0),
                rounded(figures.megabytesPerSecond, decimals: 1),
                rounded(figures.preprocessedJetsPerSecond, decimals: 0),
                rounded(figures.peakMemoryMiB, decimals: 0),
            ]
        }
        let head = ["rank", "jets/s", "MB/s", "preprocessed jets/s", "peak memory (MiB)"]
        return
            "\(jets) jets in \(plural(files, "file")), opened in \(rounded(startSeconds, decimals: 2)) s\n\n"
            + aligned(
                [head] + ranks.enumerated().map { row("\($0)", $1) }
                    + (ranks.count > 1 ? [row("all", total)] : []))
    }
}

/// Times how fast the ranks read the training data of a configuration: order of the jets, files, and packing into
/// batches. Collective.
///
/// - Parameter seconds: minimum duration; half of it without and half with preprocessing.
func benchmarkData(
    _ options: RunOptions, seconds: Double, on communicator: Communicator
) throws -> DataBenchmarkReport {
    let clock = Throughput.systemClock()
    let train = try JetDataset(
        paths: options.data.train, reading: options.reading, choice: options.choice, on: communicator)
    let start = try communicator.allReduce(clock(), .maximum)

    /// Jets and bytes per second.
    func rates(_ preprocessing: any Preprocessing) throws -> (jets: Double, bytes: Double) {
        let loader = JetLoader(
            dataset: train, preprocessing: preprocessing,
            order: .init(batchSize: options.training.batchSize, seed: options.seed, shuffle: options.data.shuffle),
            portion: .blocks)
        return try communicator.agree {
            let begin = clock()
            var (request, jets, bytes) = (0, 0, 0)
            while clock() - begin < seconds / 2 {
                let (epoch, step) = request.quotientAndRemainder(dividingBy: loader.stepsPerEpoch)
                let batch = try loader.batch(epoch: epoch, step: step)
                jets += batch.count
                bytes += 4 * (batch.values.count + batch.identities.count + batch.offsets.values.count + batch.count)
                request += 1
            }
            let elapsed = clock() - begin
            return (Double(jets) / elapsed, Double(bytes) / elapsed)
        }
    }
    let read = try rates(RawPreprocessing(features: options.data.features))
    // Quantiles of few jets take the same time to apply.
    var few = options.preprocessing
    few.jets = min(20_000, few.jets)
    let preprocessing = try few.fit(
        train, features: options.data.features, seed: options.seed, on: communicator)
    let prepared = try rates(preprocessing)
    let figures = try communicator.allGather([read.jets, read.bytes / 1e6, prepared.jets, ProcessStatus.peakMemory])
    return DataBenchmarkReport(
        jets: train.count, files: train.paths.count, startSeconds: start,
        ranks: figures.map {
            .init(
                jetsPerSecond: $0[0], megabytesPerSecond: $0[1], preprocessedJetsPerSecond: $0[2],
                peakMemoryMiB: $0[3])
        })
}
