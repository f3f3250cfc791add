# shellcheck shell=bash
# Shared by the batch scripts of this folder: libraries, threads, and how kaon is started, stopped and requeued. Adapt
# it to your cluster.
#
# Set these variables before sbatch, or here:
#
#     KAON                   the program; default .build/release/kaon, in a container kaon
#     KAON_CONTAINER         an Apptainer image in which the program runs, such as kaon.sif
#     KAON_LAUNCHER          srun (default) or mpirun
#     KAON_LAUNCHER_OPTIONS  further options of the launcher, such as --network=… or --mca …
#     KAON_MODULES           modules to load, such as "openmpi/4.1 hdf5/1.14 openblas"

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    # shellcheck source=scripts/help.sh
    source "$(dirname "${BASH_SOURCE[0]}")/../scripts/help.sh"
    print_comment "$0"
    exit
fi

# shellcheck source=scripts/jobs.sh
source scripts/jobs.sh
load_libraries .
container=()
if [[ -n ${KAON_CONTAINER:-} ]]; then
    [[ -e $KAON_CONTAINER ]] || { echo "KAON_CONTAINER: there is no image $KAON_CONTAINER" >&2 && exit 2; }
    container=(apptainer exec "$KAON_CONTAINER")
    KAON=${KAON:-kaon}
fi
KAON=${KAON:-.build/release/kaon}

# kaon disables the file locks of HDF5, which some file systems lack. This variable takes precedence: if a module or the
# site sets it to TRUE, files on a file system without locks cannot be opened.
# export HDF5_USE_FILE_LOCKING=FALSE

# Pass this environment to the ranks even with sbatch --export=NONE.
export SLURM_EXPORT_ENV=ALL

# kaon_run COMMAND ARGUMENTS…: runs a kaon command on all tasks of the job, with one thread per core. With sbatch
# --ntasks-per-socket=N the ranks of a socket share memory. Returns its exit code; after 75 (stopped with a checkpoint,
# steps are left) it requeues the job and returns 0.
kaon_run() {
    local launcher status=0 threads=${SLURM_CPUS_PER_TASK:-1} ended_by_slurm=""
    local command=() placement=("parallel.threads=$threads")
    check_resume "$@" || return 2
    # Only commands that train have groups of ranks.
    if [[ -n ${SLURM_NTASKS_PER_SOCKET:-} && $1 =~ ^(pretrain|finetune)$ ]] &&
        [[ " $*" != *" parallel.ranks_per_group="* ]]; then
        placement+=("parallel.ranks_per_group=$SLURM_NTASKS_PER_SOCKET")
    fi
    case ${KAON_LAUNCHER:-srun} in
        # --mpi=pmix          Slurm starts the ranks, and Open MPI finds them through PMIx; no mpirun needed.
        #                     `srun --mpi=list` shows whether the cluster supports it.
        # --cpus-per-task     must be repeated: since Slurm 22.05 srun does not inherit it from sbatch.
        # --distribution      gives consecutive ranks to a node, and on the node to a socket; by default Slurm deals
        #                     them out to the sockets in turn, and ranks that share memory are on different sockets.
        # --cpu-bind=cores    keeps each rank on its own cores and near its memory.
        # --kill-on-bad-exit  ends the job when a rank dies, instead of leaving the others waiting for it.
        srun)
            command=(srun --mpi=pmix --cpus-per-task="$threads" --distribution=block:block --cpu-bind=cores
                --kill-on-bad-exit=1)
            ;;
        # --map-by slot:PE=N        as many ranks per node as Slurm assigned tasks, N cores each, socket by socket.
        # odls_base_sigkill_timeout seconds between SIGTERM and SIGKILL, for the checkpoint; default 1. mpirun waits
        #                           this long after every non-zero exit, twice with several hosts.
        mpirun)
            command=(mpirun -n "$SLURM_NTASKS" --map-by "slot:PE=$threads" --bind-to core
                --mca odls_base_sigkill_timeout 10)
            ;;
        *)
            echo "KAON_LAUNCHER is '$KAON_LAUNCHER'; expected srun or mpirun" >&2
            return 2
            ;;
    esac
    # shellcheck disable=SC2206  # split into one word per option
    command+=(${KAON_LAUNCHER_OPTIONS:-} ${container[@]+"${container[@]}"} "$KAON" "$@" "${placement[@]}")

    echo "$(date '+%F %T') job $(kaon_job), start $((${SLURM_RESTART_COUNT:-0} + 1)):" \
        "ranks: $SLURM_NTASKS, threads of each: $threads, on $SLURM_JOB_NODELIST by ${command[0]}"

    # In the background, because a shell runs no traps while it waits for a foreground program.
    "${command[@]}" &
    launcher=$!
    # Near the time limit: srun and mpirun forward SIGUSR1 to every rank.
    trap 'kill -USR1 "$launcher" 2>/dev/null || true' USR1
    # scancel or a preemption: Slurm signals the ranks itself and decides whether to requeue the job.
    trap 'ended_by_slurm=yes' TERM
    # A signal ends the wait, not the program.
    while kill -0 "$launcher" 2>/dev/null; do wait "$launcher" || true; done
    wait "$launcher" || status=$?

    if ((status == 75)) && [[ -z $ended_by_slurm ]]; then
        echo "$(date '+%F %T') job $(kaon_job): steps are left; requeueing the job"
        scontrol requeue "$(kaon_job)" && return 0
    fi
    return "$status"
}

# The job id for scontrol; for a task of an array the bare number could mean the whole array.
kaon_job() {
    if [[ -n ${SLURM_ARRAY_JOB_ID:-} ]]; then
        echo "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
    else
        echo "$SLURM_JOB_ID"
    fi
}
