import MPI
import Objectives

/// Distributes jets over the ranks in chunks of fixed size, each computed as one on some rank: results are to the bit
/// the same on any number of ranks.
struct JetChunks {
    /// Number of jets.
    let count: Int
    /// Jets per chunk.
    let size: Int
    private let communicator: Communicator

    /// Approximate number of jets of all ranks that are gathered at once: their results have to fit into the memory of
    /// rank 0, and into a message.
    private static let jetsPerRound = 1024

    init(count: Int, size: Int, on communicator: Communicator) {
        (self.count, self.size, self.communicator) = (count, size, communicator)
    }

    /// Calls `compute` for each chunk of this rank and, on rank 0, `store` with the results of all ranks in the order
    /// of the jets, round by round. Collective. Throws `AgreedError`.
    func run(
        _ compute: (Range<Int>) throws -> Predictions, store: (Predictions, _ done: Int) throws -> Void
    ) throws {
        let chunks = (count + size - 1) / size
        let ranks = communicator.size
        let each = max(1, min(Self.jetsPerRound / (size * ranks), (chunks + ranks - 1) / ranks))
        for start in stride(from: 0, to: chunks, by: each * ranks) {
            let first = min(chunks, start + each * communicator.rank)
            let part = try communicator.agree {
                var part = Predictions()
                for chunk in first..<min(chunks, first + each) {
                    part.append(try compute(chunk * size..<min(count, (chunk + 1) * size)))
                }
                return part
            }
            let all = try part.gathered(on: communicator)
            let done = min(count, (start + each * ranks) * size)
            _ = try communicator.onRoot { if let all { try store(all, done) } }
        }
    }
}
