import Supervision
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
