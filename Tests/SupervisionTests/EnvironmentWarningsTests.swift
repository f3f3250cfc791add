import Foundation
import Supervision
import System
import TestSupport
import Testing

@Suite struct EnvironmentWarningsTests {
    private func place(_ host: String, _ cores: Set<Int>, threads: Int = 1, of hostCores: Int = 4) -> RankPlacement {
        RankPlacement(host: host, cores: cores, threads: threads, hostCores: hostCores)
    }

    @Test func wellPlacedRanksCauseNoWarning() {
        let all: Set = [0, 1, 2, 3]
        #expect(RankPlacement.warnings([place("a", all, threads: 4)]) == [])
        #expect(RankPlacement.warnings([place("a", all, threads: 2), place("a", all, threads: 2)]) == [])
        #expect(RankPlacement.warnings([place("a", [0, 1], threads: 2), place("a", [2, 3], threads: 2)]) == [])
        // The same cores of different hosts; ranks that share a part of a host.
        #expect(RankPlacement.warnings([place("a", [0]), place("b", [0])]) == [])
        #expect(RankPlacement.warnings([place("a", [0, 1]), place("a", [0, 1])]) == [])
        // Unknown cores.
        #expect(RankPlacement.warnings([place("a", [], threads: 9)]) == [])
    }

    @Test func tooManyThreadsAreNamed() {
        let all: Set = [0, 1, 2, 3]
        let crowd = Array(repeating: place("a", all, threads: 2), count: 3)
        #expect(
            RankPlacement.warnings(crowd)
                == ["3 ranks × 2 threads share 4 cores of a; they will wait for each other"])
        #expect(
            RankPlacement.warnings(crowd + crowd.map { place("b", $0.cores, threads: 2) })
                == ["3 ranks × 2 threads share 4 cores of a (and 1 more); they will wait for each other"])
        #expect(
            RankPlacement.warnings([place("a", all, threads: 8)])
                == ["1 rank × 8 threads shares 4 cores of a; they will wait for each other"])
        #expect(
            RankPlacement.warnings([place("a", [0], threads: 2), place("a", [1])])
                == ["1 rank × 2 threads shares 1 core of a; they will wait for each other"])
    }

    @Test func ranksOnTheSameCoresAreNamed() {
        let advice =
            "; give each rank its own (mpirun --map-by slot:pe=N, srun --cpus-per-task=N), or lower parallel.threads"
        #expect(
            RankPlacement.warnings([place("a", [0]), place("a", [1]), place("a", [0])])
                == ["ranks 0, 2 are bound to the same cores: 2 threads share 1 core of a" + advice])
        #expect(
            RankPlacement.warnings([place("a", [0, 1], threads: 2), place("a", [1, 2], threads: 2)])
                == ["ranks 0, 1 are bound to the same cores: 4 threads share 3 cores of a" + advice])
    }

    @Test func groupsAcrossSocketsAreNamed() {
        func ranks(_ host: String, sockets: [Set<Int>], groups: [Int]) -> [RankPlacement] {
            zip(sockets, groups).enumerated().map { rank, place in
                RankPlacement(
                    host: host, cores: [rank], threads: 1, hostCores: 8, sockets: place.0, group: place.1)
            }
        }
        // A group for each socket; one socket; unknown sockets; no group of several ranks.
        #expect(RankPlacement.warnings(ranks("a", sockets: [[0], [0], [1], [1]], groups: [0, 0, 1, 1])) == [])
        #expect(RankPlacement.warnings(ranks("a", sockets: [[0], [0]], groups: [0, 0])) == [])
        #expect(RankPlacement.warnings(ranks("a", sockets: [[], []], groups: [0, 0])) == [])
        #expect(RankPlacement.warnings(ranks("a", sockets: [[0, 1], [0, 1]], groups: [0, 1])) == [])
        let advice =
            "; set parallel.ranks_per_group=2 and bind the ranks socket by socket (mpirun --map-by ppr:2:socket:pe=N "
            + "--rank-by slot --bind-to core, srun --ntasks-per-socket=2 --distribution=block:block --cpu-bind=cores)"
        #expect(
            RankPlacement.warnings(ranks("a", sockets: [[0], [0], [1], [1]], groups: [0, 0, 0, 0]))
                == ["ranks 0 to 3 share memory, but are on 2 sockets of a" + advice])
        // Ranks dealt out to the sockets in turn, in groups of the right size.
        #expect(
            RankPlacement.warnings(ranks("a", sockets: [[0], [1], [0], [1]], groups: [0, 0, 1, 1]))
                == ["ranks 0, 1 share memory, but are on 2 sockets of a (and 1 more)" + advice])
        #expect(
            RankPlacement.warnings(ranks("a", sockets: Array(repeating: [0, 1], count: 4), groups: [0, 0, 0, 0]))
                == ["ranks 0 to 3 share memory, but may run on any of 2 sockets of a" + advice])
    }

    @Test func socketsAreReadFromTheSystem() throws {
        try withScratchFolder { folder in
            func write(_ text: String, to path: String) throws {
                let url = URL(fileURLWithPath: folder + "/" + path)
                try FileManager.default.createDirectory(
                    at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
                try (text + "\n").write(to: url, atomically: false, encoding: .utf8)
            }
            #expect(ProcessorSockets(folder).containing([0]) == [])
            // Two sockets of two nodes each, and a node of memory without cores.
            for (node, cores) in ["0-3,16-19", "4-7,20-23", "8-11,24-27", "12-15,28-31", ""].enumerated() {
                try write(cores, to: "node/node\(node)/cpulist")
            }
            try write("0-3", to: "node/has_cpu")
            for (core, socket) in [(0, 0), (4, 0), (8, 1), (12, 1)] {
                try write("\(socket)", to: "cpu/cpu\(core)/topology/physical_package_id")
            }
            let sockets = ProcessorSockets(folder)
            #expect(sockets.containing([0, 7, 16]) == [0])
            #expect(sockets.containing([8, 31]) == [1])
            #expect(sockets.containing([20, 24]) == [0, 1])
            #expect(sockets.containing([99]) == [])
            // Without numbers of packages, each node counts as a socket.
            try write("-1", to: "cpu/cpu0/topology/physical_package_id")
            try FileManager.default.removeItem(atPath: folder + "/cpu/cpu4")
            #expect(ProcessorSockets(folder).containing([0, 4]) == [0, 1])
        }
        let own = RankPlacement.coreNumbers(ProcessStatus().allowedCores)
        if FileManager.default.fileExists(atPath: "/sys/devices/system/node/node0/cpulist") {
            #expect(!ProcessorSockets().containing(own).isEmpty)
        }
    }

    @Test func coreListsAreParsed() {
        #expect(RankPlacement.coreNumbers("0-2,8,10-11") == [0, 1, 2, 8, 10, 11])
        #expect(RankPlacement.coreNumbers("") == [])
    }

    @Test func separateJobsOfOneTaskEachAreDetected() {
        let step = ["SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2"]
        let warning = EnvironmentWarnings.slurm(step, ranks: 1)
        #expect(warning?.hasPrefix("srun started 4 tasks, but MPI sees each as") == true)
        #expect(EnvironmentWarnings.slurm(step, ranks: 4) == nil)
        #expect(EnvironmentWarnings.slurm([:], ranks: 1) == nil)
    }

    /// mpirun in a batch script: its own step has a task for each host.
    @Test func theNumberOfTasksAndRanksAreCompared() {
        let batch = [
            "SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0", "OMPI_COMM_WORLD_SIZE": "4",
        ]
        #expect(EnvironmentWarnings.slurm(batch, ranks: 4) == nil)
        #expect(
            EnvironmentWarnings.slurm(batch, ranks: 2)
                == "Slurm has 4 tasks for this job (SLURM_NTASKS), but MPI has 2 ranks; start with mpirun or srun "
                + "--mpi=pmix, without another number of ranks")
        #expect(EnvironmentWarnings.slurm(["SLURM_NTASKS": "4"], ranks: 1)?.contains("MPI has 1 rank;") == true)
    }

    @Test func slowKernelsAreNamed() {
        #expect(EnvironmentWarnings.kernels("SkylakeX", better: nil) == nil)
        #expect(
            EnvironmentWarnings.kernels("Prescott", better: "Haswell")
                == "OpenBLAS uses its kernels for Prescott, though this processor can do more; start with "
                + "OPENBLAS_CORETYPE=Haswell, or install a newer OpenBLAS")
    }

    @Test func locksAreTested() {
        #expect(EnvironmentWarnings.locks(of: "/tmp") == nil)
        #expect(EnvironmentWarnings.locks(of: "/no/such/folder") == nil)
    }
}
