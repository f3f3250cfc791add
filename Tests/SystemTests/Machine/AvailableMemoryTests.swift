import Foundation
import System
import Testing

@Suite struct AvailableMemoryTests {
    /// What is available on a system with some files below its root; 8 GB without a control group.
    private func available(_ files: [String: String]) throws -> Int? {
        try withScratchFolder { root in
            let memory = "MemTotal: 9 kB\nMemAvailable:    8000000 kB\n"
            for (path, text) in ["proc/meminfo": memory].merging(files, uniquingKeysWith: { $1 }) {
                let url = URL(fileURLWithPath: "\(root)/\(path)")
                try FileManager.default.createDirectory(
                    at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
                try text.write(to: url, atomically: true, encoding: .utf8)
            }
            return availableMemory(root: root)
        }
    }

    @Test func theSystemWithoutControlGroups() throws {
        #expect(try available([:]) == 8_000_000 << 10)
        #expect(try available(["proc/meminfo": "nothing"]) == nil)
    }

    /// The limit is that of the job; the step in it has none.
    @Test func theLimitOfAGroupAbove() throws {
        let job = "sys/fs/cgroup/system.slice/job_7"
        let files = [
            "proc/self/cgroup": "0::/system.slice/job_7/step_0/task_1\n",
            "\(job)/memory.max": "5000\n", "\(job)/memory.current": "3000\n",
            "\(job)/memory.stat": "anon 1\nactive_file 200\ninactive_file 30\n",
            "\(job)/step_0/memory.max": "max\n", "\(job)/step_0/memory.current": "2000\n",
        ]
        #expect(try available(files) == 2230)
        #expect(
            try available(
                files.merging(
                    ["\(job)/step_0/memory.max": "2100\n", "\(job)/step_0/memory.stat": "active_file 1\n"]
                ) { $1 }) == 101)
    }

    /// Version 1 has a hierarchy for memory, and a number of 63 bits for no limit.
    @Test func theFirstVersionOfControlGroups() throws {
        let job = "sys/fs/cgroup/memory/slurm/uid_1/job_7"
        let files = [
            "proc/self/cgroup": "5:devices:/x\n4:cpu,memory:/slurm/uid_1/job_7/step_0\n0::/\n",
            "\(job)/memory.limit_in_bytes": "9000\n", "\(job)/memory.usage_in_bytes": "4000\n",
            "\(job)/memory.stat": "active_file 7\ntotal_active_file 50\ntotal_inactive_file 4\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "1\n",
        ]
        #expect(try available(files) == 5054)
    }

    /// In a container the group's own folder may be the root of the hierarchy.
    @Test func theRootOfAContainer() throws {
        let files = [
            "proc/self/cgroup": "0::/docker/17\n", "sys/fs/cgroup/memory.max": "700\n",
            "sys/fs/cgroup/memory.current": "900\n",
        ]
        #expect(try available(files) == 0)
    }
}
