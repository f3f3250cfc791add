import MPI
import Objectives

/// Jets in portions that are computed as one on whatever rank, so that results do not depend on the number of
/// ranks, to the bit.
package struct JetPortions {
    /// The number of jets.
    package let count: Int
    /// Jets of a portion.
    package let size: Int
    package let communicator: Communicator

    /// Jets that a rank computes before they are gathered, about.
    private static let jetsPerRound = 1024

    /// Calls `compute` for the portions of this rank, and `store` on rank 0 with what came of the portions of
    /// all ranks, in the order of the jets, a round after the other. Collective; throws `AgreedError`.
    package func run(
        _ compute: (Range<Int>) throws -> Predictions, store: (Predictions, _ done: Int) throws -> Void
    ) throws {
        let portions = (count + size - 1) / size
        let each = max(
            1, min(Self.jetsPerRound / size, (portions + communicator.size - 1) / communicator.size))
        for start in stride(from: 0, to: portions, by: each * communicator.size) {
            let first = min(portions, start + each * communicator.rank)
            let part = try communicator.agree {
                var part = Predictions()
                for portion in first..<min(portions, first + each) {
                    part.append(try compute(portion * size..<min(count, (portion + 1) * size)))
                }
                return part
            }
            let all = try part.gathered(on: communicator)
            let done = min(count, (start + each * communicator.size) * size)
            _ = try communicator.onRoot { if let all { try store(all, done) } }
        }
    }
}
