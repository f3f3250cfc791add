import Jets
import MPI
import Tensors

extension JetLoader {
    /// Steps of epoch 0 whose batches contain the first `jets` jets: whole batches, at most one epoch.
    func steps(ofFirst jets: Int) -> Range<Int> {
        0..<min(stepsPerEpoch, (jets + order.batchSize - 1) / order.batchSize)
    }

    /// Histogram of non-negative integers in the first `jets` jets of epoch 0, over all ranks; collective.
    ///
    /// - Parameter values: the integers of a batch, below `bins`.
    func histogram(
        bins: Int, ofFirst jets: Int, on communicator: Communicator, values: (JetBatch) -> [Int]
    ) throws -> [Int] {
        let own = try communicator.agree {
            var counts = [Int](repeating: 0, count: bins)
            for step in steps(ofFirst: jets) {
                for value in values(try batch(epoch: 0, step: step)) { counts[value] += 1 }
            }
            return counts
        }
        return try communicator.allReduce(own)
    }
}

extension Tensor {
    /// Class weights inverse to the frequencies, `[classes]`: w_c = N / (C n_c) for C classes; 0 for a class without
    /// members, which would dominate a smoothed loss otherwise.
    static func classWeights(balancing counts: [Int]) -> Tensor {
        let total = Double(counts.reduce(0, +))
        return Tensor(
            counts.map { $0 == 0 ? 0 : Float(total / Double(counts.count * $0)) }, shape: [counts.count])
    }
}
