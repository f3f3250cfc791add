import MPI
import System

/// Groups of ranks that share memory: the ranks of each host, or smaller groups.
///
/// The elements of a model are divided among places: rank p of every group has place p, and sums the gradients of the
/// same elements. There are as many places as the smallest group has ranks; further ranks of a larger group have none.
///
///     hosts with 3 and 2 ranks:   place 0: ranks 0 and 3    place 1: ranks 1 and 4    without a place: rank 2
package struct RankGroups {
    /// All ranks of the job.
    package let all: Communicator
    /// The ranks of this rank's group.
    package let group: Communicator
    /// The ranks that have the same place, in the order of the groups; nil on a rank without a place.
    package let peers: Communicator?
    /// Number of ranks of each group, in the order of the groups.
    package let sizes: [Int]
    /// Index of this rank's group.
    package let index: Int
    /// Number of ranks that run on the host of this rank, in however many groups.
    package let ranksOfHost: Int

    /// Number of places.
    package var places: Int { sizes.min()! }

    /// Groups of the ranks of each host. Collective. Throws `MPIError`.
    ///
    /// - Parameter largest: divides the ranks of a host evenly into groups of at most this number of ranks; nil for no
    ///   limit.
    package init(largest: Int? = nil, on communicator: Communicator) throws {
        let host = try communicator.splitByHost()
        let group: Communicator
        if let largest, largest < host.size {
            group = try host.split(
                color: Self.group(ofRank: host.rank, of: host.size, largest: largest), key: host.rank)
        } else {
            group = host
        }
        let firsts = try communicator.allGather([try group.broadcast([communicator.rank])[0]]).map { $0[0] }
        let order = Array(Set(firsts)).sorted()
        let own = order.firstIndex(of: firsts[communicator.rank])!
        let sizes = order.map { first in firsts.count { $0 == first } }
        let places = sizes.min()!
        let peers = try communicator.split(color: min(group.rank, places), key: own)
        all = communicator
        self.group = group
        self.peers = group.rank < places ? peers : nil
        self.sizes = sizes
        ranksOfHost = host.size
        index = own
    }

    /// Index of the group of a rank, if as few groups as possible of at most `largest` ranks are as equal as possible:
    /// the smallest one determines the number of owners.
    package static func group(ofRank rank: Int, of ranks: Int, largest: Int) -> Int {
        let groups = (ranks + largest - 1) / largest
        return rank * groups / ranks
    }

    /// A warning about groups of very different sizes; nil if there are none.
    package var warning: String? { Self.warning(sizes) }

    package static func warning(_ sizes: [Int]) -> String? {
        let (least, most) = (sizes.min()!, sizes.max()!)
        guard 2 * least < most else { return nil }
        return "groups of ranks that share memory have \(least) to \(plural(most, "rank")), of which only \(least) sum "
            + "gradients and update weights; start equal numbers on all hosts (mpirun --map-by ppr:N:node, srun "
            + "--ntasks-per-node=N)"
    }

    /// Such as `2 groups of 64 ranks that share memory`.
    package var description: String {
        guard sizes.contains(where: { $0 > 1 }) else { return "no shared memory" }
        let (least, most) = (sizes.min()!, sizes.max()!)
        let ranks = least == most ? plural(most, "rank") : "\(least) to \(plural(most, "rank"))"
        return "weights shared by \(sizes.count == 1 ? "all \(ranks)" : "each of \(sizes.count) groups of \(ranks)")"
    }
}
