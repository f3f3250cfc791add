import Foundation
import MPI
import System

/// The host and the cores of a rank, to detect ranks that compete for cores and those that share memory across sockets.
package struct RankPlacement: Sendable {
    package var host: String
    /// The cores that the rank may use; empty if unknown.
    package var cores: Set<Int>
    package var threads: Int
    /// The number of cores of the host.
    package var hostCores: Int
    /// The sockets of these cores; empty if unknown.
    package var sockets: Set<Int>
    /// Index of the group of ranks that share memory.
    package var group: Int

    package init(
        host: String, cores: Set<Int>, threads: Int, hostCores: Int, sockets: Set<Int> = [], group: Int = 0
    ) {
        (self.host, self.cores, self.threads, self.hostCores) = (host, cores, threads, hostCores)
        (self.sockets, self.group) = (sockets, group)
    }

    /// The placements of all ranks; collective. Throws `MPIError`.
    ///
    /// - Parameter group: index of the group of ranks with which this rank shares memory.
    package static func all(threads: Int, group: Int, on communicator: Communicator) throws -> [RankPlacement] {
        let allowed = ProcessStatus().allowedCores
        let sockets = ProcessorSockets().containing(coreNumbers(allowed)).sorted()
        let own = [
            MPIEnvironment.processorName, allowed, "\(threads)", "\(ProcessInfo.processInfo.activeProcessorCount)",
            sockets.map(String.init).joined(separator: ","), "\(group)",
        ].joined(separator: "\n")
        return try communicator.allGather(own).map {
            let fields = $0.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            return RankPlacement(
                host: fields[0], cores: coreNumbers(fields[1]), threads: Int(fields[2])!, hostCores: Int(fields[3])!,
                sockets: coreNumbers(fields[4]), group: Int(fields[5])!)
        }
    }

    /// The cores in a list of the system: `0-3,8` is 0, 1, 2, 3, 8.
    package static func coreNumbers(_ list: String) -> Set<Int> {
        var result: Set<Int> = []
        for part in list.split(separator: ",") {
            let ends = part.split(separator: "-").compactMap { Int($0) }
            if let first = ends.first, let last = ends.last, first <= last { result.formUnion(first...last) }
        }
        return result
    }

    /// Warnings about hosts with more threads than cores, ranks that are bound to the same cores, and groups of ranks
    /// that share memory across sockets.
    package static func warnings(_ placements: [RankPlacement]) -> [String] {
        var oversubscribed: [String] = []
        var bound: [String] = []
        for host in Set(placements.map(\.host)).sorted() {
            for group in groups(placements, on: host) {
                let cores = group.reduce(into: Set<Int>()) { $0.formUnion(placements[$1].cores) }
                let threads = group.reduce(0) { $0 + placements[$1].threads }
                guard !cores.isEmpty, threads > cores.count else { continue }
                let share = "share \(plural(cores.count, "core")) of \(host)"
                if group.count > 1, cores.count < placements[group[0]].hostCores {
                    let names = group.map(String.init).joined(separator: ", ")
                    bound.append("ranks \(names) are bound to the same cores: \(plural(threads, "thread")) \(share)")
                } else {
                    let alike = Set(group.map { placements[$0].threads }).count == 1
                    oversubscribed.append(
                        plural(group.count, "rank")
                            + (alike ? " × \(plural(threads / group.count, "thread")) " : " with \(threads) threads ")
                            + (group.count == 1 && threads > 1 ? "shares" + share.dropFirst(5) : share))
                }
            }
        }
        return summary(oversubscribed, "they will wait for each other")
            + summary(
                bound,
                "give each rank its own (mpirun --map-by slot:pe=N, srun --cpus-per-task=N), "
                    + "or lower parallel.threads") + socketWarnings(placements)
    }

    /// A warning about the groups whose ranks are on several sockets, or may move between them.
    private static func socketWarnings(_ placements: [RankPlacement]) -> [String] {
        var problems: [String] = []
        var advice = ""
        for group in Set(placements.map(\.group)).sorted() {
            let ranks = placements.indices.filter { placements[$0].group == group }
            let sockets = ranks.reduce(into: Set<Int>()) { $0.formUnion(placements[$1].sockets) }
            guard ranks.count > 1, sockets.count > 1 else { continue }
            let host = placements[ranks[0]].host
            let areBound = ranks.allSatisfy { placements[$0].sockets.count == 1 }
            problems.append(
                "ranks \(numbers(ranks)) share memory, but \(areBound ? "are on" : "may run on any of") "
                    + "\(sockets.count) sockets of \(host)")
            guard advice.isEmpty else { continue }
            let onHost = placements.filter { $0.host == host }
            let all = onHost.reduce(into: Set<Int>()) { $0.formUnion($1.sockets) }
            let count = max(1, onHost.count / all.count)
            advice =
                "set parallel.ranks_per_group=\(count) and bind the ranks socket by socket (mpirun --map-by "
                + "ppr:\(count):socket:pe=N --rank-by slot --bind-to core, srun --ntasks-per-socket=\(count) "
                + "--distribution=block:block --cpu-bind=cores)"
        }
        return summary(problems, advice)
    }

    /// The first problem, the number of others, and what to do; empty without problems.
    private static func summary(_ problems: [String], _ advice: String) -> [String] {
        guard let first = problems.first else { return [] }
        let more = problems.count > 1 ? " (and \(problems.count - 1) more)" : ""
        return [first + more + "; " + advice]
    }

    /// Such as `0, 2` or `0 to 63`.
    private static func numbers(_ ranks: [Int]) -> String {
        let (first, last) = (ranks[0], ranks[ranks.count - 1])
        return ranks.count > 2 && last - first == ranks.count - 1
            ? "\(first) to \(last)" : ranks.map(String.init).joined(separator: ", ")
    }

    /// The ranks of a host, grouped so that ranks of different groups share no core.
    private static func groups(_ placements: [RankPlacement], on host: String) -> [[Int]] {
        var groups: [(ranks: [Int], cores: Set<Int>)] = []
        for rank in placements.indices where placements[rank].host == host {
            let overlapping = groups.indices.filter { !groups[$0].cores.isDisjoint(with: placements[rank].cores) }
            var merged = (ranks: [rank], cores: placements[rank].cores)
            for index in overlapping.reversed() {
                merged.ranks = groups[index].ranks + merged.ranks
                merged.cores.formUnion(groups[index].cores)
                groups.remove(at: index)
            }
            groups.append((merged.ranks.sorted(), merged.cores))
        }
        return groups.map(\.ranks)
    }
}
