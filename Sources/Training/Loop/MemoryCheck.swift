import Distributed
import Jets
import Models
import Runs
import System
import Tensors

/// Refuses micro-batches whose activations the memory cannot hold, before the system ends the process.
package struct MemoryCheck {
    private let shape: BackboneShape?
    private let precision: Precision
    /// Ranks that share the memory of the host.
    private let ranks: Int
    /// Lower bound on the fraction of the constituents that the blocks process.
    private let visible: Double
    /// The largest estimate so far.
    private var largest = 0

    package init(_ options: RunOptions, precision: Precision, _ ranks: RankGroups) {
        // A fixed backbone keeps no activations.
        shape = options.objective.fineTuning?.mode == .fixed ? nil : options.objective.backbone?.shape
        // A pre-training encodes the constituents that are not masked; its decoder is smaller.
        visible = options.objective.name.isDownstream ? 1 : 0.5
        self.precision = precision
        self.ranks = ranks.ranksOfHost
    }

    /// Throws `KaonError` with the estimate if a micro-batch needs more than the memory that is left.
    ///
    /// - Parameters:
    ///   - microBatches: the jets of the batch that each micro-batch has.
    ///   - size: `training.micro_batch_size`.
    ///   - available: memory that the host has left [bytes]; nil where it is not known.
    ///   - reserved: memory that this rank has reserved and does not use [bytes].
    package mutating func check(
        _ batch: JetBatch, _ microBatches: [Range<Int>], size: Int,
        available: @autoclosure () -> Int? = availableMemory(),
        reserved: @autoclosure () -> Int = Arena.shared.statistics.freeBytes
    ) throws {
        guard let shape else { return }
        for jets in microBatches {
            let counts = jets.map { batch.offsets[$0].count }
            let bytes = shape.activationBytes(counts.map { Int(visible * Double($0)) }, precision: precision)
            guard bytes > largest else { continue }
            largest = bytes
            guard let left = available().map({ $0 / ranks + reserved() }), bytes > left else { continue }
            let advice =
                size > 1
                ? "lower training.micro_batch_size (\(size))" : "lower data.max_constituents, or use fewer ranks"
            throw KaonError(
                "a micro-batch of \(plural(jets.count, "jet")) with \(counts.reduce(0, +)) constituents needs "
                    + "about \(megabytes(bytes)) for its activations, and \(megabytes(left)) of memory are left "
                    + "for a rank; \(advice)")
        }
    }
}
