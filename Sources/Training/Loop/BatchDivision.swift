import Distributed
import Jets
import MPI
import Models
import Objectives
import Runs
import System
import Tensors

/// Division of the jets of a step among the ranks, such that all have the same work, and of the jets of a rank into
/// micro-batches.
package struct BatchDivision {
    private let objective: any Objective
    private let sharding: Sharding
    private let communicator: Communicator
    private let shape: BackboneShape?
    private let microBatchSize: Int
    private let instruments: DataParallelStep.Instruments
    private var memory: MemoryCheck

    package init(
        _ objective: any Objective, _ options: RunOptions, precision: Precision, _ sharding: Sharding,
        _ ranks: RankGroups, instruments: DataParallelStep.Instruments = .init()
    ) {
        (self.objective, self.sharding, self.instruments) = (objective, sharding, instruments)
        communicator = ranks.all
        shape = options.objective.backbone?.shape
        microBatchSize = options.training.microBatchSize
        memory = MemoryCheck(options, precision: precision, ranks)
    }

    /// The micro-batches of each shard of this rank, prepared by the objective. Collective; throws the error of `load`,
    /// `KaonError` for micro-batches that do not fit into memory, and `MPIError`.
    ///
    /// - Parameters:
    ///   - count: jets of the global batch.
    ///   - load: reads this rank's share of them.
    package mutating func microBatches(
        ofBatch count: Int, phase: Phase, load: () throws -> JetBatch
    ) throws -> [[MicroBatch]] {
        let shards = try divide(count, load)
        return instruments.trace.span("masks and targets") {
            shards.map { $0.map { objective.prepare($0, phase: phase) } }
        }
    }

    /// The jets of the micro-batches of each shard.
    ///
    /// A shard has as many micro-batches as a share of the batch has jets of `training.micro_batch_size`, with about
    /// the same number of constituents each.
    package mutating func divide(_ count: Int, _ load: () throws -> JetBatch) throws -> [[JetBatch]] {
        let batch = try balanced(Result(catching: load))
        let shards = sharding.isDeterministic ? sharding.ranges(ofBatch: count) : [0..<batch.count]
        let parts = (sharding.shardSize(ofBatch: count) + microBatchSize - 1) / microBatchSize
        let divided = shards.map { batch.parts(of: $0, count: parts) }
        do {
            try memory.check(batch, Array(divided.joined()), size: microBatchSize)
        } catch {
            guard communicator.size > 1 else { throw error }
            throw KaonError("rank \(communicator.rank) on \(MPIEnvironment.processorName): \(error)")
        }
        return divided.map { $0.map(batch.slice(jets:)) }
    }

    /// The jets of this rank after ranks with more work have given jets to others. The shards of a deterministic run
    /// keep their jets. Collective.
    private func balanced(_ loaded: Result<JetBatch, any Error>) throws -> JetBatch {
        guard communicator.size > 1, !sharding.isDeterministic else { return try loaded.get() }
        instruments.progress.enter(.summing)
        return try instruments.trace.span("balance of the ranks") {
            // A rank that could not read its jets must not leave the others waiting.
            let own = (try? loaded.get()).map { $0.offsets.counts.map(Int32.init) }
            let counts = try communicator.allGather(own ?? [-1]).map { $0.map(Int.init) }
            let batch = try loaded.get()
            guard !counts.joined().contains(-1) else { return batch }
            let division = WorkDivision(costs: counts.map { $0.map { shape?.cost($0) ?? $0 } })
            return try batch.exchanged(to: division.destinations, constituents: counts, on: communicator)
        }
    }
}

extension JetBatch {
    /// Cuts a range of jets into at most `count` parts with about the same number of constituents; none is empty.
    package func parts(of range: Range<Int>, count: Int) -> [Range<Int>] {
        guard !range.isEmpty else { return [] }
        let starts = offsets.values
        let (first, last) = (Int(starts[range.lowerBound]), Int(starts[range.upperBound]))
        var parts: [Range<Int>] = []
        var lower = range.lowerBound
        for part in 1...count {
            // The jet whose start is closest to this part of all constituents.
            let target = first + (last - first) * part / count
            var upper = part == count ? range.upperBound : lower
            while upper < range.upperBound, abs(Int(starts[upper + 1]) - target) <= abs(Int(starts[upper]) - target) {
                upper += 1
            }
            if upper > lower { parts.append(lower..<upper) }
            lower = upper
        }
        return parts
    }
}
