#!/usr/bin/env bash
# Tests the batch scripts of slurm/ on a temporary cluster: the Slurm daemons run on this machine, in a temporary
# folder, with two network namespaces as nodes of one CPU each (or one node of two CPUs, if namespaces cannot be created
# or KAON_TEST_NODES=1). Jobs are preempted, run out of time, are signalled, cancelled and requeued; each must end with
# the same bytes as an uninterrupted run.
#
#     bash scripts/test-slurm.sh
#
# Needs root; installs Debian's slurm-wlm and munge if they are missing. KAON is the program (default: the release
# build, which is built first), KAON_TEST_LAUNCHERS the launchers (default: "srun mpirun"). The last line is
# "N passed, N failed"; logs are kept in .build/test-logs/slurm. Daemons and temporary files are always removed.
set -euo pipefail
# shellcheck source=scripts/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
refuse_arguments "$@"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/mpi-environment.sh
source scripts/mpi-environment.sh
# shellcheck source=scripts/checks.sh
source scripts/checks.sh
# shellcheck source=scripts/slurm-cluster.sh
source scripts/slurm-cluster.sh

steps=400
clean_up() { stop_cluster; }

# --- jobs

# The tasks fill the cluster: two ranks with one CPU each.
shape=(--nodes="" --ntasks-per-node="" --cpus-per-task=1 --time=60)

# submit SCRIPT OPTIONS… -- ARGUMENTS…: submits a job and prints its number.
submit() {
    local script=$1 options=()
    shift
    while [[ $1 != -- ]]; do
        options+=("$1")
        shift
    done
    shift
    sbatch --parsable "${shape[@]}" --output="$logs/job-%j.log" "${options[@]}" "slurm/$script.sbatch" "$@"
}

# pretrain OPTIONS…: submits the training that the tests interrupt.
pretrain() {
    submit pretrain "$@" -- configs/quickstart.yaml run.directory="$folder/run" training.steps=$steps \
        training.batch_size=64 training.micro_batch_size=32 training.log_interval=20 training.validation_interval=150 \
        training.validation_jets=200 training.checkpoint_interval=1000
}

field() { scontrol -o show job "$1" 2>/dev/null | head -n 1 | sed -nE "s/.*\b$2=([^ ]*).*/\1/p"; }
state_is() { [[ $(field "$1" JobState) == "$2" ]]; }
restarted() { [[ $(field "$1" Restarts) == "${2:-1}" ]]; }
has_ended() { [[ $(field "$1" JobState) =~ ^(COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL|BOOT_FAIL|PREEMPTED)$ ]]; }
completed() { within 600 has_ended "$1" && state_is "$1" COMPLETED; }

# made_steps JOB: waits until the job has made 40 steps.
made_steps() {
    within 300 step_reached 40 "$folder/run" ||
        fail "job $1 did not reach step 40; see .build/test-logs/slurm/job-$1.log"
}

# was_interrupted JOB: the log shows that the job was started again and continued between the first step and the last.
# No periodic checkpoint is due there, so the checkpoint was caused by a signal.
was_interrupted() {
    grep -q 'start 2: ranks: 2,' "$logs/job-$1.log" &&
        grep -qE 'continuing from .* at step [1-9][0-9]*$' "$logs/job-$1.log"
}

# same_run DIRECTORY: the last checkpoint (weights, optimizer, state), fitted.h5 and the metrics equal those of the
# uninterrupted run.
same_run() {
    local last
    last=checkpoints/step-$(printf %08d $steps).h5
    cmp "$folder/reference/$last" "$1/$last" && cmp "$folder/reference/fitted.h5" "$1/fitted.h5" &&
        [[ $(without_clock "$folder/reference") == "$(without_clock "$1")" ]]
}

# A checkpoint contains the path of the run folder in its configuration, so all runs use one folder and are moved
# afterwards.
put_away() {
    rm -rf "${folder:?}/$1"
    mv "$folder/run" "$folder/$1"
}

# interrupted NAME FUNCTION OPTIONS…: a training that the function, called with the job number, interrupts.
interrupted() {
    local name=$1 interrupt=$2 job
    shift 2
    echo "=== $KAON_LAUNCHER: $name"
    job=$(pretrain "$@")
    made_steps "$job"
    "$interrupt" "$job"
    check "$KAON_LAUNCHER, $name: requeued" within 120 restarted "$job"
    check "$KAON_LAUNCHER, $name: completes" completed "$job"
    check "$KAON_LAUNCHER, $name: stopped with a checkpoint and continued" was_interrupted "$job"
    check "$KAON_LAUNCHER, $name: the same bytes as an uninterrupted run" same_run "$folder/run"
    rm -rf "$folder/run"
}

preempt() { urgent=$(sbatch --parsable -p urgent "${shape[@]}" --output=/dev/null --wrap 'sleep 2'); }
# Slurm checks time limits only every 30 seconds. The ranks are paused until then; otherwise they would finish.
run_out_of_time() {
    local ranks
    mapfile -t ranks < <(pgrep -f "^$KAON pretrain .*run.directory=$folder/run ")
    kill -STOP "${ranks[@]}"
    scontrol update job="$1" TimeLimit=2
    sleep 40
    kill -CONT "${ranks[@]}"
}
signal_ranks() { scancel --signal=USR1 "$1"; }
signal_script() { scancel --batch --signal=USR1 "$1"; }

# --- tests

test_preemption() {
    interrupted "preempted" preempt
    check "$KAON_LAUNCHER, preempted: the urgent job ran" completed "$urgent"
}

# A dependent job must not start when this one is requeued.
test_time_limit() {
    local job next
    echo "=== $KAON_LAUNCHER: out of time, with a job chained to it"
    job=$(pretrain)
    next=$(submit pretrain --dependency=afterok:"$job" -- configs/quickstart.yaml run.directory="$folder/next" \
        model.initial_weights="$folder/run/checkpoints/step-$(printf %08d $steps).h5" training.steps=2)
    made_steps "$job"
    run_out_of_time "$job"
    check "$KAON_LAUNCHER, out of time: requeued" within 180 restarted "$job"
    # Possible only after its processes have exited.
    within 60 scontrol update job="$job" TimeLimit=60 2>/dev/null || fail "cannot extend the time limit of job $job"
    check "$KAON_LAUNCHER, out of time: the chained job waits" state_is "$next" PENDING
    check "$KAON_LAUNCHER, out of time: completes" completed "$job"
    check "$KAON_LAUNCHER, out of time: stopped with a checkpoint and continued" was_interrupted "$job"
    check "$KAON_LAUNCHER, out of time: the same bytes as an uninterrupted run" same_run "$folder/run"
    check "$KAON_LAUNCHER, out of time: then the chained job runs" completed "$next"
    rm -rf "$folder/run" "$folder/next"
}

# A cancelled job is not requeued, but its steps until then are kept.
test_cancellation() {
    local job
    echo "=== $KAON_LAUNCHER: cancelled, and submitted again"
    job=$(pretrain)
    made_steps "$job"
    scancel "$job"
    check "$KAON_LAUNCHER, cancelled: stays cancelled" eval "within 60 has_ended $job && state_is $job CANCELLED"
    check "$KAON_LAUNCHER, cancelled: not requeued" restarted "$job" 0
    within 60 cluster_is_idle || true
    check "$KAON_LAUNCHER, cancelled: a checkpoint was written" test -e "$folder/run/checkpoints/latest"
    job=$(pretrain)
    check "$KAON_LAUNCHER, cancelled: the next job completes" completed "$job"
    check "$KAON_LAUNCHER, cancelled: the same bytes as an uninterrupted run" same_run "$folder/run"
    rm -rf "$folder/run"
}

# A job with an error must not be requeued.
test_error() {
    local job
    job=$(submit pretrain -- configs/quickstart.yaml run.directory="$folder/run" training.stepz=3)
    check "$KAON_LAUNCHER, unknown key: the job fails" eval "within 120 has_ended $job && state_is $job FAILED"
    check "$KAON_LAUNCHER, unknown key: its log names the key" grep -q stepz "$logs/job-$job.log"
    check "$KAON_LAUNCHER, unknown key: not requeued" restarted "$job" 0
    rm -rf "$folder/run"
}

# Only the stopped task of an array is requeued.
test_sweep() {
    local array line
    echo "=== $KAON_LAUNCHER: an array of two lines"
    for line in 1 2; do
        echo "optimizer.learning_rate=${line}e-3 run.directory=$folder/line-$line 'masking={fraction: 0.$line}'"
    done >"$folder/sweep.txt"
    array=$(sbatch --parsable --array=1-2%1 "${shape[@]}" --output="$logs/job-%A-%a.log" slurm/sweep.sbatch \
        "$folder/sweep.txt" pretrain configs/quickstart.yaml training.steps=60 training.batch_size=64 \
        training.micro_batch_size=32 training.log_interval=5 training.validation_jets=100)
    within 300 step_reached 5 "$folder/line-1" || fail "the first line of the array makes no steps"
    signal_script "${array}_1"
    check "$KAON_LAUNCHER, array: the first line is requeued" within 60 restarted "${array}_1"
    check "$KAON_LAUNCHER, array: both lines complete" eval "completed ${array}_1 && completed ${array}_2"
    check "$KAON_LAUNCHER, array: the second line ran once" restarted "${array}_2" 0
    check "$KAON_LAUNCHER, array: each line has its overrides" \
        eval "grep -q 'fraction: 0.1' $folder/line-1/config.yaml && grep -q 'fraction: 0.2' $folder/line-2/config.yaml"
    rm -rf "$folder"/line-[12]
}

((EUID == 0)) || fail "needs root for the daemons and the network of the cluster"
install_slurm
prepare
make_cluster
shape=(--nodes=${#nodes[@]} --ntasks-per-node=$((2 / ${#nodes[@]})) --cpus-per-task=1 --time=60)
echo "test-slurm: cluster of ${#nodes[@]} nodes, $(slurmctld -V)"

export KAON_LAUNCHER=srun
echo "=== srun: uninterrupted"
job=$(pretrain)
check "srun: completes" completed "$job"
put_away reference
check "srun: all steps are done" test -e "$folder/reference/checkpoints/step-$(printf %08d $steps).h5"
((failed == 0)) || { tail -n 30 "$logs/job-$job.log"; exit 1; }

for KAON_LAUNCHER in ${KAON_TEST_LAUNCHERS:-srun mpirun}; do
    if [[ $KAON_LAUNCHER == srun ]]; then
        interrupted "the ranks are signalled" signal_ranks
        test_sweep
    else
        echo "=== mpirun: uninterrupted"
        check "mpirun: completes" completed "$(pretrain)"
        check "mpirun: the same bytes as under srun" same_run "$folder/run"
        rm -rf "$folder/run"
        interrupted "the script is signalled" signal_script
    fi
    test_preemption
    test_time_limit
    test_cancellation
    test_error
done
