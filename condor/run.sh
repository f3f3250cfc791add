#!/usr/bin/env bash
# Runs kaon in an HTCondor job on one machine; the executable of the submit files of this folder. Adapt it to your pool.
#
#     run.sh pretrain|finetune CONFIG [key=value …]
#     run.sh sweep NUMBER FILE pretrain|finetune CONFIG [key=value …]    with the overrides of a line, from 0
#
# The submit files set these variables:
#
#     KAON_CPUS     cores of the job
#     KAON_RANKS    ranks, which share them
#     KAON_MODULES  modules to load, such as "openmpi/4.1 hdf5/1.14 openblas"; set it before condor_submit, or here
#     KAON          the program; default .build/release/kaon
#
# On SIGUSR1 (kill_sig) kaon finishes its step, writes a checkpoint and exits with code 75 (steps are left), after which
# the submit files leave the job in the queue.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=scripts/help.sh
source "$here/../scripts/help.sh"
# shellcheck source=scripts/jobs.sh
source "$here/../scripts/jobs.sh"
case ${1:-} in
    -h | --help)
        print_comment "${BASH_SOURCE[0]}"
        exit
        ;;
esac

fail() {
    printf 'condor/run.sh: %s\n' "$*" >&2
    exit 2
}

usage="usage: run.sh pretrain|finetune CONFIG [key=value …], or run.sh sweep NUMBER FILE COMMAND CONFIG [key=value …]"
overrides=()
if [[ ${1:-} == sweep ]]; then
    (($# >= 5)) && [[ $2 =~ ^[0-9]+$ ]] || fail "$usage"
    read_overrides "$3" $(($2 + 1)) "runs=… must be the number of its lines" || exit 2
    shift 3
fi
(($# >= 2)) && [[ $1 == pretrain || $1 == finetune ]] || fail "$usage"
check_resume "$@" "${overrides[@]}" || exit 2

cpus=${KAON_CPUS:-1} ranks=${KAON_RANKS:-1}
[[ $cpus =~ ^[1-9][0-9]*$ && $ranks =~ ^[1-9][0-9]*$ ]] ||
    fail "KAON_CPUS=$cpus and KAON_RANKS=$ranks must be whole numbers of at least 1"
((ranks <= cpus)) || fail "ranks=$ranks is more than the $cpus cores of the job"
threads=$((cpus / ranks))

load_libraries "$here/.."
KAON=${KAON:-.build/release/kaon}
command -v "$KAON" >/dev/null || fail "$KAON not found; build it on a machine like those of the pool, or set KAON"

command=("$KAON" "$@" "${overrides[@]}" run.resume=auto "parallel.threads=$threads")
if ((ranks > 1)); then
    # shellcheck source=scripts/mpi-environment.sh
    source "$here/../scripts/mpi-environment.sh"
    # A job shares its machine with others and has no cores of its own, so ranks are not bound to the first ones. The
    # seconds between SIGTERM and SIGKILL leave time for the checkpoint.
    command=("${mpirun[@]}" -n "$ranks" --bind-to none --mca odls_base_sigkill_timeout 10 "${command[@]}")
fi
echo "$(date '+%F %T') on $(hostname): ranks: $ranks, threads of each: $threads; ${command[*]}"

# In the background, because a shell runs no traps while it waits for a foreground program. kaon and mpirun forward
# SIGUSR1 to every rank; after other signals mpirun would kill the ranks too soon.
"${command[@]}" &
program=$! status=0
trap 'kill -USR1 "$program" 2>/dev/null || true' USR1 TERM INT
# A signal ends the wait, not the program.
while kill -0 "$program" 2>/dev/null; do wait "$program" || true; done
wait "$program" || status=$?
exit "$status"
