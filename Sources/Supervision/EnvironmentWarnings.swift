import Foundation
import System

/// Warnings about the environment of a run, for its start-up report.
package enum EnvironmentWarnings {
    /// A warning if Slurm and MPI differ in the number of ranks; most often each process is an MPI job of its own.
    package static func slurm(_ environment: [String: String], ranks: Int) -> String? {
        // Processes of srun have the number of tasks of their step, those of a batch script that of the job.
        let isStep =
            environment["SLURM_STEP_NUM_TASKS"] != nil && environment["SLURM_PROCID"] != nil
            && environment["OMPI_COMM_WORLD_SIZE"] == nil
        let value = isStep ? environment["SLURM_STEP_NUM_TASKS"] : environment["SLURM_NTASKS"]
        guard let tasks = value.flatMap({ Int($0) }), tasks != ranks else { return nil }
        if isStep, ranks == 1 {
            return "srun started \(tasks) tasks, but MPI sees each as a job of one rank: srun needs --mpi=pmix "
                + "(srun --mpi=list shows what it has), or start with mpirun"
        }
        return "Slurm has \(tasks) tasks for this job (SLURM_NTASKS), but MPI has \(plural(ranks, "rank")); "
            + "start with mpirun or srun --mpi=pmix, without another number of ranks"
    }

    /// A warning if OpenBLAS uses kernels for an older processor.
    ///
    /// - Parameters:
    ///   - core: the processor of the kernels in use.
    ///   - better: that of faster kernels, if there are any.
    package static func kernels(_ core: String, better: String?) -> String? {
        guard let better else { return nil }
        return "OpenBLAS uses its kernels for \(core), though this processor can do more; start with "
            + "OPENBLAS_CORETYPE=\(better), or install a newer OpenBLAS"
    }

    /// A warning if the file system of the run directory has no locks, which keep a second run out of it.
    package static func locks(of directory: String) -> String? {
        FileLock.reasonForMissingSupport(in: directory).map {
            "the file system of \(directory) does not support locks (\($0)): nothing keeps a second run out of the "
                + "directory, and HDF5_USE_FILE_LOCKING=TRUE would not work there"
        }
    }
}
