import MPI
import Tensors

extension RunOptions {
    /// Chooses the jets of a micro-batch where the configuration leaves it open, and writes the number into the
    /// complete configuration: the choice of rank 0, because processors may differ. Collective. Throws `AgreedError`.
    ///
    /// - Parameters:
    ///   - constituents: mean number of constituents of a jet; computed only if it is needed.
    ///   - threads: threads of a rank.
    package mutating func chooseMicroBatchSize(
        constituents: @autoclosure () throws -> Double, threads: Int, on communicator: Communicator
    ) throws {
        guard training.givenMicroBatchSize == nil else { return }
        let size = Self.microBatchSize(
            width: objective.width, constituents: try constituents(), threads: threads,
            cache: ThreadPool.secondLevelCache)
        let chosen = try communicator.broadcast([min(size, training.batchSize)])[0]
        training.microBatchSize = chosen
        try communicator.agree { try configuration.override("training.micro_batch_size=\(chosen)") }
    }

    /// The number of jets whose activations of one layer, in single precision, fill the second-level cache.
    ///
    /// They are at least 640 constituents, so that reading the weights from memory takes less time than the products,
    /// and at most 4096. Several threads share the constituents of a product, and pieces of work have to be left for
    /// the one that ends first: each gets twice as many.
    ///
    /// - Parameters:
    ///   - width: channels of the model.
    ///   - constituents: mean number of constituents of a jet.
    ///   - cache: size of the second-level cache of a core [bytes].
    package static func microBatchSize(width: Int, constituents: Double, threads: Int, cache: Int) -> Int {
        let rows = max(640, min(4096, cache / (4 * width))) * (threads == 1 ? 1 : 2 * threads)
        return max(1, Int((Double(rows) / max(1, constituents)).rounded()))
    }
}
