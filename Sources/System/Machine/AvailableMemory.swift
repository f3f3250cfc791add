/// Memory that processes of this host can still take [bytes]: what the system has available, or less under a limit of a
/// control group, such as that of a Slurm job; nil if unknown.
///
/// - Parameter root: the folder of `/proc` and `/sys`, another one for tests.
package func availableMemory(root: String = "") -> Int? {
    let system = numbers("\(root)/proc/meminfo")["MemAvailable:"].map { $0 << 10 }
    let groups = (systemText("\(root)/proc/self/cgroup") ?? "").split(separator: "\n").flatMap { line in
        // "4:memory:/slurm/uid_1000/job_7" of version 1, "0::/system.slice/job_7" of version 2.
        let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        guard fields.count == 3 else { return [Int]() }
        if fields[0] == "0" { return MemoryController.version2.left(in: "\(root)/sys/fs/cgroup", String(fields[2])) }
        guard fields[1].split(separator: ",").contains("memory") else { return [] }
        return MemoryController.version1.left(in: "\(root)/sys/fs/cgroup/memory", String(fields[2]))
    }
    return (groups + [system].compactMap { $0 }).min()
}

/// The files of control groups with the limit and the use of memory.
private struct MemoryController {
    let limit, used: String
    /// The entries of `memory.stat` with the page cache, which counts as used, but is given up where memory is needed.
    let cache: [Substring]

    static let version1 = MemoryController(
        limit: "memory.limit_in_bytes", used: "memory.usage_in_bytes",
        cache: ["total_active_file", "total_inactive_file"])
    static let version2 = MemoryController(
        limit: "memory.max", used: "memory.current", cache: ["active_file", "inactive_file"])

    /// Memory that is left under the limit of each group from the named one up to the root [bytes]: often the job has a
    /// limit, and the step or the task in it has none.
    func left(in folder: String, _ name: String) -> [Int] {
        func number(_ path: String) -> Int? {
            systemText(path).flatMap { Int($0.filter(\.isNumber)) }
        }
        let path = name.split(separator: "/")
        return (0...path.count).compactMap { depth in
            let group = ([folder] + path.prefix(depth).map(String.init)).joined(separator: "/")
            guard let limit = number("\(group)/\(limit)"), limit < 1 << 60, let used = number("\(group)/\(used)")
            else { return nil }
            let entries = numbers("\(group)/memory.stat")
            return max(0, limit - used + cache.reduce(0) { $0 + entries[$1, default: 0] })
        }
    }
}

/// The lines of a file that begin with a name and a number.
private func numbers(_ path: String) -> [Substring: Int] {
    let lines = (systemText(path) ?? "").split(separator: "\n").map { $0.split(separator: " ") }
    return Dictionary(
        lines.compactMap { words in words.count > 1 ? Int(words[1]).map { (words[0], $0) } : nil }
    ) { first, _ in first }
}
