# shellcheck shell=bash
# What the jobs of this folder have in common: libraries, threads, and how kaon is started, stopped and queued
# again. To be sourced by a batch script; change it to fit the cluster.
#
# These variables count when they are set before sbatch, or here:
#
#     KAON                   the program; by default the one that `swift build -c release` leaves
#     KAON_LAUNCHER          srun (the default) or mpirun
#     KAON_LAUNCHER_OPTIONS  more options for it, such as --network=… or --mca …
#     KAON_MODULES           modules to load, such as "openmpi/4.1 hdf5/1.14 openblas"

if [[ -n ${KAON_MODULES:-} ]]; then
    # shellcheck disable=SC2086  # several modules, one word each
    module load $KAON_MODULES
fi
KAON=${KAON:-.build/release/kaon}

# kaon has threads of its own, parallel.threads of them; no library may start more.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

# kaon lets HDF5 take no locks, which not every file system has. This variable has the last word: where modules or the
# site set it to TRUE, files on a file system without locks do not open.
# export HDF5_USE_FILE_LOCKING=FALSE

# The ranks see what is set here even if sbatch was told --export=NONE.
export SLURM_EXPORT_ENV=ALL

# kaon_run COMMAND ARGUMENTS…: runs a command of kaon on all tasks of the job, with a thread for each of their
# cores. Returns its exit code. After 75, "stopped with a checkpoint, come again", the job is queued once more
# and 0 is returned.
kaon_run() {
    local launcher status=0 threads=${SLURM_CPUS_PER_TASK:-1} ended_by_slurm=""
    local command=()
    case ${KAON_LAUNCHER:-srun} in
        # --mpi=pmix          Slurm starts the ranks, and Open MPI finds them through PMIx; no mpirun needed.
        #                     `srun --mpi=list` tells whether the cluster has it.
        # --cpus-per-task     must be repeated: since Slurm 22.05 srun does not take it from sbatch.
        # --cpu-bind=cores    keeps each rank on its own cores and near its memory.
        # --kill-on-bad-exit  ends the job when a rank dies, instead of leaving the others waiting for it.
        srun)
            command=(srun --mpi=pmix --cpus-per-task="$threads" --cpu-bind=cores --kill-on-bad-exit=1)
            ;;
        # --map-by slot:PE=N        as many ranks on a node as Slurm gave it tasks, N cores for each.
        # odls_base_sigkill_timeout seconds that a rank has for its checkpoint after SIGTERM; one if not said. mpirun
        #                           sits it out at every end that is not 0, twice where it has other hosts.
        mpirun)
            command=(mpirun -n "$SLURM_NTASKS" --map-by "slot:PE=$threads" --bind-to core
                --mca odls_base_sigkill_timeout 10)
            ;;
        *)
            echo "KAON_LAUNCHER is '$KAON_LAUNCHER'; it can be srun or mpirun" >&2
            return 2
            ;;
    esac
    # shellcheck disable=SC2206  # several options, one word each
    command+=(${KAON_LAUNCHER_OPTIONS:-} "$KAON" "$@" "parallel.threads=$threads")

    echo "$(date '+%F %T') job $(kaon_job), start $((${SLURM_RESTART_COUNT:-0} + 1)):" \
        "$SLURM_NTASKS ranks with $threads threads on $SLURM_JOB_NODELIST by ${command[0]}"

    # In the background, because a shell hears no signal while it waits for a program in the foreground.
    "${command[@]}" &
    launcher=$!
    # The time is nearly up: srun and mpirun pass SIGUSR1 on to every rank.
    trap 'kill -USR1 "$launcher" 2>/dev/null || true' USR1
    # scancel or a preemption. Slurm signals the ranks itself, and then knows what becomes of the job.
    trap 'ended_by_slurm=yes' TERM
    # A signal ends the wait, not the program.
    while kill -0 "$launcher" 2>/dev/null; do wait "$launcher" || true; done
    wait "$launcher" || status=$?

    if ((status == 75)) && [[ -z $ended_by_slurm ]]; then
        echo "$(date '+%F %T') job $(kaon_job): steps are left; it is queued again"
        scontrol requeue "$(kaon_job)" && return 0
    fi
    return "$status"
}

# The job as scontrol wants it; the bare number of an array's job may stand for the whole array.
kaon_job() {
    if [[ -n ${SLURM_ARRAY_JOB_ID:-} ]]; then
        echo "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
    else
        echo "$SLURM_JOB_ID"
    fi
}
