import Distributed
import MPI
import NN
import Supervision
import System
import Tensors

/// Collects the state of the optimizer on rank 0, for checkpoints: each rank has that of the elements that it owns.
package final class OptimizerStateCollector: Sendable {
    /// True if the ranks may collect in the background, while their training goes on.
    package let worksInBackground: Bool
    private let communicator: Communicator
    /// The elements of each rank.
    private let owned: [ElementRanges]

    /// Collective. Throws `MPIError`.
    package init(_ parameters: DistributedParameters) throws {
        let ranks = parameters.ranks
        communicator = try ranks.all.duplicate()
        worksInBackground = MPIEnvironment.threadLevel == .multiple
        owned = try communicator.allGather([ranks.group.rank, ranks.index]).map {
            parameters.partition.owned(place: $0[0], group: $0[1])
        }
    }

    /// Collects the shares of all ranks, and returns the whole state on rank 0, in the tensors of `memory` if given;
    /// nil on other ranks. Collective.
    ///
    /// An error ends the job, as the other rank of the message would wait for it.
    package func collect(
        _ own: OptimizerState, for store: ParameterStore, reusing memory: OptimizerState?, console: Console
    ) -> OptimizerState? {
        do {
            return try exchange(own, store, memory)
        } catch {
            let reason = KaonError("the optimizer's state could not be collected for a checkpoint: \(error)")
            Launch.end(after: reason, in: RunContext(communicator, console))
        }
    }

    private func exchange(
        _ own: OptimizerState, _ store: ParameterStore, _ memory: OptimizerState?
    ) throws -> OptimizerState? {
        guard communicator.rank == 0 else {
            for entry in own.entries { try communicator.send(entry.values.buffer, to: 0) }
            return nil
        }
        var all = memory ?? OptimizerState(of: own.optimizer, own.entries.map(\.name), for: store)
        all.updates = own.updates
        for (index, entry) in own.entries.enumerated() { place(entry.values, of: 0, in: all.entries[index].values) }
        for rank in 1..<communicator.size {
            let share = Tensor(shape: [owned[rank].count])
            for entry in all.entries {
                try communicator.receive(into: share.buffer, from: rank)
                place(share, of: rank, in: entry.values)
            }
        }
        return all
    }

    private func place(_ share: Tensor, of rank: Int, in all: Tensor) {
        for part in owned[rank].parts {
            (all.pointer + part.elements.lowerBound).update(
                from: share.pointer + part.compact.lowerBound, count: part.compact.count)
        }
    }
}
