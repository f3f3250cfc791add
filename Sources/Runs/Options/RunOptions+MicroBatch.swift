import MPI
import Models
import Objectives
import System
import Tensors

extension RunOptions {
    /// Chooses the jets of a micro-batch where the configuration leaves it open, and writes the number into the
    /// complete configuration: the choice of rank 0, because processors may differ. Collective. Throws `AgreedError`.
    ///
    /// - Parameters:
    ///   - constituents: mean number of constituents of a jet; computed only if it is needed.
    ///   - precision: precision of the matrix products.
    ///   - threads: threads of a rank.
    package mutating func chooseMicroBatchSize(
        constituents: @autoclosure () throws -> Double, precision: Precision, threads: Int,
        on communicator: Communicator
    ) throws {
        guard training.givenMicroBatchSize == nil else { return }
        let size = Self.microBatchSize(
            objective, constituents: try constituents(), precision: precision, threads: threads,
            caches: ProcessorCaches())
        let chosen = try communicator.broadcast([min(size, training.batchSize)])[0]
        training.microBatchSize = chosen
        try communicator.agree { try configuration.override("training.micro_batch_size=\(chosen)") }
    }

    /// The number of jets that moves the fewest bytes through memory.
    ///
    /// If the weights fit in the caches of a core: the jets whose activations of all layers fill half of these caches,
    /// but at least 256 constituents. Otherwise the weights are read from memory for every micro-batch: the jets whose
    /// activations of one layer, in single precision, fill the second-level cache; at least 640 constituents, so that
    /// reading the weights takes less time than the products, and at most 4096.
    ///
    /// With several threads a micro-batch has 2 × threads times as many rows, so that a thread that finishes early
    /// finds more work.
    ///
    /// - Parameters:
    ///   - constituents: mean number of constituents of a jet.
    ///   - caches: the caches of a core.
    package static func microBatchSize(
        _ objective: ObjectiveOptions, constituents: Double, precision: Precision, threads: Int,
        caches: ProcessorCaches
    ) -> Int {
        let mean = max(1, constituents)
        var rows = Double(max(640, min(4096, caches.secondLevel / (4 * objective.width))))
        if let shape = objective.backbone?.shape, shape.weightBytes <= caches.total {
            let jetBytes = shape.activationBytes([Int(mean.rounded())], precision: precision)
            rows = min(rows, max(256, Double(caches.total / 2) / Double(jetBytes) * mean))
        }
        if threads > 1 { rows *= Double(2 * threads) }
        return max(1, Int((rows / mean).rounded()))
    }
}
