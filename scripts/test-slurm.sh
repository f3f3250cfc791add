#!/usr/bin/env bash
# Tries the jobs of slurm/ on a cluster that exists for the test alone: the daemons of Slurm run on this machine, in a
# temporary folder, with two network namespaces for the nodes of a CPU each (or one node of two CPUs, where no
# namespace can be made or KAON_TEST_NODES=1 says so). Jobs are preempted, run out of time, are signalled, cancelled
# and queued again; each has to end with the bytes of a run that nothing interrupted.
#
#     bash scripts/test-slurm.sh
#
# Needs root, and installs Debian's slurm-wlm and munge where they are missing. KAON names the program (by default the
# release build, which is made), KAON_TEST_LAUNCHERS what starts it (both: "srun mpirun"). The last line is "N passed, N failed"; logs stay in .build/test-logs/slurm. Neither
# daemons nor files are left, however it ends.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/mpi-environment.sh
source scripts/mpi-environment.sh

steps=400
passed=0
failed=0
folder=""
bridge=""
nodes=()
logs=$PWD/.build/test-logs/slurm

fail() {
    printf 'test-slurm: %s\n' "$*" >&2
    exit 1
}

# However the script ends, nothing of the cluster is left and the last line is the count.
conclude() {
    local status=$?
    trap '' INT TERM
    set +e
    stop_cluster
    if ((status != 0 && failed == 0)); then failed=1; fi
    echo "$passed passed, $failed failed"
    ((failed == 0)) || exit 1
}
trap conclude EXIT
trap 'exit 130' INT TERM

# check TEXT COMMAND…: counts whether the command succeeds.
check() {
    local text=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "passed: $text"
    else
        failed=$((failed + 1))
        echo "FAILED: $text"
    fi
}

# within SECONDS COMMAND…: waits until the command succeeds.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < end)) || return 1
        sleep 0.5
    done
}

# --- the cluster

install_slurm() {
    local program missing=""
    for program in munged slurmctld slurmd sbatch; do command -v "$program" >/dev/null || missing=$program; done
    [[ -n $missing ]] || return 0
    command -v apt-get >/dev/null || fail "no $missing and no apt-get here; install Slurm and munge"
    echo "test-slurm: installing slurm-wlm and munge"
    apt-get update -qq
    # In run level 1 Debian starts no daemon of a new package: the test has its own.
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null
}

# A network of two namespaces on a bridge; false where that is not allowed.
make_network() {
    local number
    command -v ip >/dev/null || return 1
    bridge=kaon-$$
    ip link add "$bridge" type bridge 2>/dev/null || return 1
    ip addr add 10.193.77.254/24 dev "$bridge" && ip link set "$bridge" up || return 1
    for number in 1 2; do
        ip netns add "$bridge-$number" || return 1
        ip link add "k$number-$$" type veth peer name eth0 netns "$bridge-$number" || return 1
        ip link set "k$number-$$" master "$bridge" up
        ip -n "$bridge-$number" addr add "10.193.77.$number/24" dev eth0
        ip -n "$bridge-$number" link set lo up
        ip -n "$bridge-$number" link set eth0 up
    done
}

remove_network() {
    local number
    [[ -n $bridge ]] || return 0
    for number in 1 2; do
        ip link del "k$number-$$" 2>/dev/null
        ip netns del "$bridge-$number" 2>/dev/null
    done
    ip link del "$bridge" 2>/dev/null
    bridge=""
}

write_cluster() {
    local address=127.0.0.1 number definition
    definition="NodeName=kaon1 NodeAddr=127.0.0.1 NodeHostname=$(hostname -s) CPUs=2 Port=17078"
    if ((${#nodes[@]} == 2)); then
        address=10.193.77.254
        definition="NodeName=kaon[1-2] NodeAddr=10.193.77.[1-2] CPUs=1 Port=17078"
    fi
    mkdir "$folder/state" "$folder/pmix"
    for number in "${nodes[@]}"; do mkdir "$folder/spool-kaon$number" "$folder/pmix-kaon$number"; done
    printf '127.0.0.1 localhost\n10.193.77.254 %s\n10.193.77.1 kaon1\n10.193.77.2 kaon2\n' "$(hostname -s)" \
        >"$folder/hosts"
    # cred_expire is also how long a job waits that was queued again: two minutes if not said.
    cat >"$folder/slurm.conf" <<END
ClusterName=kaon
SlurmctldHost=$(hostname -s)($address)
SlurmctldPort=17077
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=5
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=batch_sched_delay=0,sched_interval=2
KillWait=30
ReturnToService=2
MinJobAge=3600
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool-%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
$definition
PartitionName=normal Nodes=ALL Default=YES PriorityTier=1 MaxTime=120
PartitionName=urgent Nodes=ALL PriorityTier=10 PreemptMode=OFF MaxTime=120
END
    echo "PMIxCliTmpDirBase=$folder/pmix" >"$folder/mpi.conf"
}

# in_node NUMBER COMMAND…: replaces this process by a command as the node sees the world: its network, its name, and
# its own temporary folder of PMIx, which two nodes of one machine must not share.
in_node() {
    local number=$1
    shift
    ((${#nodes[@]} == 2)) || exec "$@"
    # shellcheck disable=SC2016  # the variables are for the inner shell
    exec nsenter --net="/run/netns/$bridge-$number" unshare --uts --mount bash -c '
        hostname "$0" && mount --bind "$1/pmix-$0" "$1/pmix" && mount --bind "$1/hosts" /etc/hosts && exec "${@:2}"' \
        "kaon$number" "$folder" "$@"
}

daemons=()
start_cluster() {
    local number
    # By this mark the processes of the cluster are told from others at the end.
    export KAON_TEST_CLUSTER=$folder SLURM_CONF=$folder/slurm.conf
    head -c 1024 /dev/urandom >"$folder/munge.key"
    chmod 600 "$folder/munge.key"
    munged --force --foreground --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
        --pid-file="$folder/munged.pid" --log-file="$logs/munged.log" --seed-file="$folder/munged.seed" \
        >>"$logs/munged.log" 2>&1 &
    daemons+=($!)
    within 20 test -S "$folder/munge.socket" || fail "munged did not start; see .build/test-logs/slurm/munged.log"
    slurmctld -D -L "$logs/slurmctld.log" >/dev/null 2>&1 &
    daemons+=($!)
    for number in "${nodes[@]}"; do
        (in_node "$number" slurmd -D -N "kaon$number" -L "$logs/slurmd-$number.log") >/dev/null 2>&1 &
        daemons+=($!)
    done
    within 60 cluster_is_idle || fail "the cluster did not come up: $(sinfo -h -o '%n %T %E' 2>&1 | head -n 3)"
}

cluster_is_idle() { [[ $(sinfo -h -p normal -o '%D %T' 2>/dev/null) == "${#nodes[@]} idle" ]]; }

# The processes with the cluster's mark in their environment, and the slurmstepds, which have overwritten theirs but
# write to the logs.
marked() {
    local process
    for process in /proc/[0-9]*; do
        if grep -qzFx "KAON_TEST_CLUSTER=$folder" "$process/environ" 2>/dev/null ||
            { [[ $(cat "$process/comm" 2>/dev/null) == slurmstepd ]] &&
                [[ -n $(find "$process/fd" -lname "$logs/slurmd-*" 2>/dev/null) ]]; }; then
            echo "${process#/proc/}"
        fi
    done
}

stop_cluster() {
    local process
    [[ -n $folder ]] || return 0
    if ((${#daemons[@]} > 0)); then
        timeout 10 scancel --quiet --user="$(id -un)" 2>/dev/null
        within 40 no_job_is_left
        kill "${daemons[@]}" 2>/dev/null
        within 10 daemons_are_gone || kill -KILL "${daemons[@]}" 2>/dev/null
        for process in $(marked); do kill -KILL "$process" 2>/dev/null; done
        wait "${daemons[@]}" 2>/dev/null
    fi
    remove_network
    rm -rf "$folder"
    folder=""
}

no_job_is_left() { [[ -z $(timeout 5 squeue -h 2>/dev/null) ]]; }
daemons_are_gone() { ! kill -0 "${daemons[@]}" 2>/dev/null; }

# --- jobs

# The tasks fill the cluster: two ranks, a CPU each.
shape=(--nodes="" --ntasks-per-node="" --cpus-per-task=1 --time=60)

# submit SCRIPT OPTIONS… -- ARGUMENTS…: prints the job's number.
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

# pretrain OPTIONS…: submits the training that all of the test is about.
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

# step_reached STEP [DIRECTORY]: whether metrics.csv has a row of that step or a later one.
step_reached() {
    awk -F, -v step="$1" 'NR > 1 && $1 + 0 >= step { found = 1 } END { exit !found }' \
        "${2:-$folder/run}/metrics.csv" 2>/dev/null
}

# The log says that the job was started again and went on between the first step and the last. No checkpoint is due
# there: it is one that a signal asked for.
was_interrupted() {
    grep -q 'start 2: 2 ranks' "$logs/job-$1.log" &&
        grep -qE 'continuing from .* at step [1-9][0-9]*$' "$logs/job-$1.log"
}

# A metrics.csv without the columns that depend on the clock.
without_clock() {
    awk -F, '
        NR == 1 { for (i = 1; i <= NF; i++) if ($i == "jets_per_second" || $i == "data_wait_ms") clock[i] = 1 }
        { line = ""; for (i = 1; i <= NF; i++) if (!(i in clock)) line = line $i ","; print line }' "$1/metrics.csv"
}

# same_run DIRECTORY: the last checkpoint (weights, optimizer, state), what was fitted, and the metrics are those of
# the run that nothing interrupted.
same_run() {
    local last
    last=checkpoints/step-$(printf %08d $steps).h5
    cmp "$folder/reference/$last" "$1/$last" && cmp "$folder/reference/fitted.h5" "$1/fitted.h5" &&
        [[ $(without_clock "$folder/reference") == "$(without_clock "$1")" ]]
}

# A checkpoint has the name of its run's folder in its configuration: all runs are made in one folder, and moved.
put_away() {
    rm -rf "${folder:?}/$1"
    mv "$folder/run" "$folder/$1"
}

# interrupted NAME FUNCTION OPTIONS…: a training that the function, which gets its number, interrupts.
interrupted() {
    local name=$1 interrupt=$2 job
    shift 2
    echo "=== $KAON_LAUNCHER: $name"
    job=$(pretrain "$@")
    within 300 step_reached 40 || fail "job $job has made no 40 steps; see .build/test-logs/slurm/job-$job.log"
    "$interrupt" "$job"
    check "$KAON_LAUNCHER, $name: queued again" within 120 restarted "$job"
    check "$KAON_LAUNCHER, $name: ends well" completed "$job"
    check "$KAON_LAUNCHER, $name: had stopped with a checkpoint, and went on" was_interrupted "$job"
    check "$KAON_LAUNCHER, $name: the same bytes as an uninterrupted run" same_run "$folder/run"
    rm -rf "$folder/run"
}

preempt() { urgent=$(sbatch --parsable -p urgent "${shape[@]}" --output=/dev/null --wrap 'sleep 2'); }
run_out_of_time() { scontrol update job="$1" TimeLimit=2; }
signal_ranks() { scancel --signal=USR1 "$1"; }
signal_script() { scancel --batch --signal=USR1 "$1"; }

# --- what is tried

test_preemption() {
    interrupted "preempted" preempt
    check "$KAON_LAUNCHER, preempted: the urgent job has run" completed "$urgent"
}

# A job that waits for this one must not start while it is queued again.
test_time_limit() {
    local job next
    echo "=== $KAON_LAUNCHER: out of time, with a job chained to it"
    job=$(pretrain)
    next=$(submit pretrain --dependency=afterok:"$job" -- configs/quickstart.yaml run.directory="$folder/next" \
        model.initial_weights="$folder/run/checkpoints/step-$(printf %08d $steps).h5" training.steps=2)
    within 300 step_reached 40 || fail "job $job has made no 40 steps; see .build/test-logs/slurm/job-$job.log"
    run_out_of_time "$job"
    check "$KAON_LAUNCHER, out of time: queued again" within 180 restarted "$job"
    # Not before its processes have gone.
    within 60 scontrol update job="$job" TimeLimit=60 2>/dev/null || fail "job $job gets no more time"
    check "$KAON_LAUNCHER, out of time: the chained job waits" state_is "$next" PENDING
    check "$KAON_LAUNCHER, out of time: ends well" completed "$job"
    check "$KAON_LAUNCHER, out of time: had stopped with a checkpoint, and went on" was_interrupted "$job"
    check "$KAON_LAUNCHER, out of time: the same bytes as an uninterrupted run" same_run "$folder/run"
    check "$KAON_LAUNCHER, out of time: the chained job runs then" completed "$next"
    rm -rf "$folder/run" "$folder/next"
}

# scancel is the last word; what was done until then is kept.
test_cancellation() {
    local job
    echo "=== $KAON_LAUNCHER: cancelled, and submitted once more"
    job=$(pretrain)
    within 300 step_reached 40 || fail "job $job has made no 40 steps; see .build/test-logs/slurm/job-$job.log"
    scancel "$job"
    check "$KAON_LAUNCHER, cancelled: stays cancelled" eval "within 60 has_ended $job && state_is $job CANCELLED"
    check "$KAON_LAUNCHER, cancelled: not queued again" restarted "$job" 0
    within 60 cluster_is_idle || true
    check "$KAON_LAUNCHER, cancelled: a checkpoint was written" test -e "$folder/run/checkpoints/latest"
    job=$(pretrain)
    check "$KAON_LAUNCHER, cancelled: the next job ends well" completed "$job"
    check "$KAON_LAUNCHER, cancelled: the same bytes as an uninterrupted run" same_run "$folder/run"
    rm -rf "$folder/run"
}

# An error must not be tried for ever.
test_error() {
    local job
    job=$(submit pretrain -- configs/quickstart.yaml run.directory="$folder/run" training.stepz=3)
    check "$KAON_LAUNCHER, a wrong key: the job fails" eval "within 120 has_ended $job && state_is $job FAILED"
    check "$KAON_LAUNCHER, a wrong key: its log names it" grep -q stepz "$logs/job-$job.log"
    check "$KAON_LAUNCHER, a wrong key: not queued again" restarted "$job" 0
    rm -rf "$folder/run"
}

# Of an array only the task that was stopped is queued again.
test_sweep() {
    local array line
    echo "=== $KAON_LAUNCHER: an array of two lines"
    for line in 1 2; do
        echo "optimizer.learning_rate=${line}e-3 run.directory=$folder/line-$line 'masking={fraction: 0.$line}'"
    done >"$folder/sweep.txt"
    array=$(sbatch --parsable --array=1-2%1 "${shape[@]}" --output="$logs/job-%A-%a.log" slurm/sweep.sbatch \
        "$folder/sweep.txt" pretrain configs/quickstart.yaml training.steps=60 training.batch_size=64 \
        training.micro_batch_size=32 training.log_interval=5 training.validation_jets=100)
    within 300 step_reached 5 "$folder/line-1" || fail "the first line of the array does not run"
    signal_script "${array}_1"
    check "$KAON_LAUNCHER, array: the first line is queued again" within 60 restarted "${array}_1"
    check "$KAON_LAUNCHER, array: both lines end well" eval "completed ${array}_1 && completed ${array}_2"
    check "$KAON_LAUNCHER, array: the second line ran once" restarted "${array}_2" 0
    check "$KAON_LAUNCHER, array: each line has its overrides" \
        eval "grep -q 'fraction: 0.1' $folder/line-1/config.yaml && grep -q 'fraction: 0.2' $folder/line-2/config.yaml"
    rm -rf "$folder"/line-[12]
}

((EUID == 0)) || fail "needs root, for the daemons and the network of a cluster"
install_slurm
if [[ -z ${KAON:-} ]]; then
    swift build -c release --product kaon
    KAON=$(swift build -c release --show-bin-path)/kaon
fi
export KAON
rm -rf "$logs"
mkdir -p "$logs"
folder=$(mktemp -d /tmp/kaon-slurm.XXXXXX)
chmod 755 "$folder"

nodes=(1 2)
if [[ ${KAON_TEST_NODES:-2} != 2 ]] || ! make_network; then
    (set +e; remove_network)
    bridge=""
    nodes=(1)
fi
write_cluster
start_cluster
shape=(--nodes=${#nodes[@]} --ntasks-per-node=$((2 / ${#nodes[@]})) --cpus-per-task=1 --time=60)
echo "test-slurm: a cluster of ${#nodes[@]} nodes, $(slurmctld -V)"

export KAON_LAUNCHER=srun
echo "=== srun: nothing interrupts"
job=$(pretrain)
check "srun: ends well" completed "$job"
put_away reference
check "srun: all steps are done" test -e "$folder/reference/checkpoints/step-$(printf %08d $steps).h5"
((failed == 0)) || { tail -n 30 "$logs/job-$job.log"; exit 1; }

for KAON_LAUNCHER in ${KAON_TEST_LAUNCHERS:-srun mpirun}; do
    if [[ $KAON_LAUNCHER == srun ]]; then
        interrupted "the ranks are signalled" signal_ranks
        test_sweep
    else
        echo "=== mpirun: nothing interrupts"
        check "mpirun: ends well" completed "$(pretrain)"
        check "mpirun: the same bytes as under srun" same_run "$folder/run"
        rm -rf "$folder/run"
        interrupted "the script is signalled" signal_script
    fi
    test_preemption
    test_time_limit
    test_cancellation
    test_error
done
