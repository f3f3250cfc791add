import Foundation
import System

/// The sockets of a host: which cores are near which memory.
///
/// A socket is a set of NUMA nodes of one processor. Where the firmware interleaves the memory of all sockets, the
/// system shows a single node, and the host counts as one socket.
package struct ProcessorSockets: Sendable {
    /// The cores of each socket.
    private let cores: [Int: Set<Int>]

    /// Reads `node/nodeN/cpulist` and `cpu/cpuN/topology/physical_package_id`; no socket is known without them.
    ///
    /// - Parameter folder: the folder of the system, another one for tests.
    package init(_ folder: String = "/sys/devices/system") {
        var cores: [Int: Set<Int>] = [:]
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder + "/node")) ?? [] {
            guard name.hasPrefix("node"), let node = Int(name.dropFirst(4)),
                let list = systemText("\(folder)/node/\(name)/cpulist")
            else { continue }
            let own = RankPlacement.coreNumbers(list.trimmingCharacters(in: .whitespacesAndNewlines))
            // Nodes without cores are memory alone.
            guard let first = own.min() else { continue }
            let package = systemText("\(folder)/cpu/cpu\(first)/topology/physical_package_id")
                .flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
            // Virtual machines may have no package number, or −1 for all.
            cores[package.flatMap { $0 >= 0 ? $0 : nil } ?? node, default: []].formUnion(own)
        }
        self.cores = cores
    }

    /// The sockets of some cores; empty if unknown.
    package func containing(_ some: Set<Int>) -> Set<Int> {
        Set(cores.filter { !$0.value.isDisjoint(with: some) }.keys)
    }
}
