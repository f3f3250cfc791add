import Foundation
import MPI
import System

/// Where a rank runs, to see whether ranks stand in each other's way.
package struct RankPlace: Sendable {
    package var host: String
    /// The cores that the rank may use.
    package var cores: Set<Int>
    package var threads: Int
    /// The cores of the host.
    package var hostCores: Int

    package init(host: String, cores: Set<Int>, threads: Int, hostCores: Int) {
        (self.host, self.cores, self.threads, self.hostCores) = (host, cores, threads, hostCores)
    }

    /// The places of all ranks; collective.
    package static func all(threads: Int, on communicator: Communicator) throws -> [RankPlace] {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let list = status.firstMatch(of: /Cpus_allowed_list:\s*(\S+)/).map { String($0.1) } ?? ""
        let own = [
            MPIEnvironment.processorName, list, "\(threads)", "\(ProcessInfo.processInfo.activeProcessorCount)",
        ].joined(separator: "\n")
        return try communicator.allGather(own).map {
            let fields = $0.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            return RankPlace(
                host: fields[0], cores: coreNumbers(fields[1]), threads: Int(fields[2])!, hostCores: Int(fields[3])!)
        }
    }

    /// `0-3,8` is 0, 1, 2, 3, 8.
    package static func coreNumbers(_ list: String) -> Set<Int> {
        var result: Set<Int> = []
        for part in list.split(separator: ",") {
            let ends = part.split(separator: "-").compactMap { Int($0) }
            if let first = ends.first, let last = ends.last, first <= last { result.formUnion(first...last) }
        }
        return result
    }

    /// What is wrong with the places of the ranks, a sentence for each kind of trouble.
    package static func warnings(_ places: [RankPlace]) -> [String] {
        var crowded: [String] = []
        var bound: [String] = []
        for host in Set(places.map(\.host)).sorted() {
            for group in groups(places, on: host) {
                let cores = group.reduce(into: Set<Int>()) { $0.formUnion(places[$1].cores) }
                let threads = group.reduce(0) { $0 + places[$1].threads }
                guard !cores.isEmpty, threads > cores.count else { continue }
                let share = "share \(plural(cores.count, "core")) of \(host)"
                if group.count > 1, cores.count < places[group[0]].hostCores {
                    let names = group.map(String.init).joined(separator: ", ")
                    bound.append("ranks \(names) are bound to the same cores: \(plural(threads, "thread")) \(share)")
                } else {
                    let alike = Set(group.map { places[$0].threads }).count == 1
                    crowded.append(
                        plural(group.count, "rank")
                            + (alike ? " × \(plural(threads / group.count, "thread")) " : " with \(threads) threads ")
                            + (group.count == 1 && threads > 1 ? "shares" + share.dropFirst(5) : share))
                }
            }
        }
        func sentence(_ troubles: [String], _ advice: String) -> [String] {
            guard let first = troubles.first else { return [] }
            let more = troubles.count > 1 ? " (and \(troubles.count - 1) more such)" : ""
            return [first + more + "; " + advice]
        }
        return sentence(crowded, "they will wait for each other")
            + sentence(
                bound, "give each rank its own (mpirun --map-by slot:pe=N, srun --cpus-per-task=N), "
                    + "or lower parallel.threads")
    }

    /// The ranks of a host, those together whose cores overlap.
    private static func groups(_ places: [RankPlace], on host: String) -> [[Int]] {
        var groups: [(ranks: [Int], cores: Set<Int>)] = []
        for rank in places.indices where places[rank].host == host {
            let touching = groups.indices.filter { !groups[$0].cores.isDisjoint(with: places[rank].cores) }
            var merged = (ranks: [rank], cores: places[rank].cores)
            for index in touching.reversed() {
                merged.ranks = groups[index].ranks + merged.ranks
                merged.cores.formUnion(groups[index].cores)
                groups.remove(at: index)
            }
            groups.append((merged.ranks.sorted(), merged.cores))
        }
        return groups.map(\.ranks)
    }
}
