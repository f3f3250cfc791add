# shellcheck shell=bash
# A temporary Slurm cluster for tests: the Slurm daemons run on this machine, in a temporary folder, either with two
# network namespaces as nodes of one CPU each, or with one node of two CPUs. Source it after checks.sh:
#
#     install_slurm   # installs Debian's slurm-wlm and munge if they are missing
#     make_cluster    # sets $folder and $nodes
#     stop_cluster    # stops the daemons and removes everything

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    # shellcheck source=scripts/help.sh
    source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
    print_comment "$0"
    exit
fi

folder=""
bridge=""
nodes=()
daemons=()

install_slurm() {
    local program missing=""
    for program in munged slurmctld slurmd sbatch; do command -v "$program" >/dev/null || missing=$program; done
    [[ -n $missing ]] || return 0
    command -v apt-get >/dev/null || fail "$missing and apt-get not found; install Slurm and munge"
    echo "test-slurm: installing slurm-wlm and munge"
    apt-get update -qq
    # With run level 1 Debian does not start the daemons of a new package; the test starts its own.
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null
}

# Creates two network namespaces on a bridge; fails if that is not allowed.
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
    # cred_expire is also the delay before a requeued job starts: two minutes by default.
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

# in_node NUMBER COMMAND…: replaces this process by a command in the namespaces of the node: its network, its host name,
# and its own temporary folder for PMIx, which two nodes on one machine must not share.
in_node() {
    local number=$1
    shift
    ((${#nodes[@]} == 2)) || exec "$@"
    # shellcheck disable=SC2016  # expanded by the inner shell
    exec nsenter --net="/run/netns/$bridge-$number" unshare --uts --mount bash -c '
        hostname "$0" && mount --bind "$1/pmix-$0" "$1/pmix" && mount --bind "$1/hosts" /etc/hosts && exec "${@:2}"' \
        "kaon$number" "$folder" "$@"
}

start_daemons() {
    local number
    # This variable marks the processes of the cluster, so that stop_cluster finds them.
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

# Prints the processes with the cluster's mark in their environment, and the slurmstepds, which overwrite their
# environment but write to the logs.
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

# make_cluster: starts the cluster; with one node if namespaces cannot be created or KAON_TEST_NODES=1.
make_cluster() {
    folder=$(mktemp -d /tmp/kaon-slurm.XXXXXX)
    chmod 755 "$folder"
    nodes=(1 2)
    if [[ ${KAON_TEST_NODES:-2} != 2 ]] || ! make_network; then
        (set +e; remove_network)
        bridge=""
        nodes=(1)
    fi
    write_cluster
    start_daemons
}
