import Foundation
import Jets
import MPI
import Runs
import System
import Training

/// What `kaon bench --data` measures on one rank: reading without training.
package struct DataBenchmarkReport: Sendable {
    /// One rank, or all together.
    package struct Figures: Sendable {
        /// Jets per second, read and packed but not preprocessed.
        package var jetsPerSecond: Double
        /// What that is in 10⁶ bytes of packed values, identities, offsets and labels.
        package var megabytesPerSecond: Double
        /// Jets per second with the preprocessing, as training takes them.
        package var preprocessedJetsPerSecond: Double
        /// The peak of memory [MiB]; of all together, the largest.
        package var peakMemoryMiB: Double
    }

    /// The number of jets in the files that are used.
    package let jets: Int
    /// The number of files.
    package let files: Int
    /// The time to open the data, until the last rank is ready [s].
    package let startSeconds: Double
    /// By rank.
    package let ranks: [Figures]

    /// All ranks together.
    package var total: Figures {
        Figures(
            jetsPerSecond: ranks.reduce(0) { $0 + $1.jetsPerSecond },
            megabytesPerSecond: ranks.reduce(0) { $0 + $1.megabytesPerSecond },
            preprocessedJetsPerSecond: ranks.reduce(0) { $0 + $1.preprocessedJetsPerSecond },
            peakMemoryMiB: ranks.map(\.peakMemoryMiB).max()!)
    }

    /// The figures, a line a rank.
    package var table: String {
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

/// Times the reading of a configuration's training data: the order of the jets, the files, and the packing
/// into batches, for each rank its part; collective.
///
/// - Parameter seconds: batches are read for at least this time, half of it with the preprocessing.
package func benchmarkData(
    _ options: RunOptions, seconds: Double, on communicator: Communicator
) throws -> DataBenchmarkReport {
    let clock = Throughput.systemClock()
    let train = try JetDataset(
        paths: options.data.train, maxConstituents: options.data.maxConstituents,
        choice: options.data.choice, on: communicator)
    let start = try communicator.allReduce(clock(), .maximum)

    /// Jets and bytes per second.
    func rates(_ preprocessing: any Preprocessing) throws -> (jets: Double, bytes: Double) {
        let loader = JetLoader(
            dataset: train, preprocessing: preprocessing,
            order: .init(batchSize: options.training.batchSize, seed: options.seed, shuffle: options.data.shuffle))
        return try communicator.agree {
            let begin = clock()
            var (request, jets, bytes) = (0, 0, 0)
            while clock() - begin < seconds / 2 {
                let (epoch, step) = request.quotientAndRemainder(dividingBy: loader.stepsPerEpoch)
                let batch = try loader.batch(epoch: epoch, step: step)
                jets += batch.count
                bytes +=
                    4
                    * (batch.values.count + batch.identities.count + batch.offsets.values.count + batch.count)
                request += 1
            }
            let elapsed = clock() - begin
            return (Double(jets) / elapsed, Double(bytes) / elapsed)
        }
    }
    let read = try rates(RawPreprocessing(features: options.data.features))
    // A few jets make quantiles that cost as much as any.
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
