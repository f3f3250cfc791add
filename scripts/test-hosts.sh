#!/usr/bin/env bash
# Runs kaon across two simulated hosts: network namespaces of this machine with their own host names and a 1 Gbit/s link
# between them. Trains, loses a host in two ways, and measures how much of the communication the backward pass hides.
#
#     bash scripts/test-hosts.sh
#
# Needs root, iproute2 and Open MPI. KAON is the program (default: the release build, which is built first),
# KAON_HOSTS_RATE the rate of the link (default 1gbit), KAON_HOSTS_SECONDS the duration of each benchmark (default 10).
# The last line is "N passed, N failed"; logs are kept in .build/test-logs/hosts. Processes and namespaces are always
# removed.
set -euo pipefail
# shellcheck source=scripts/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
refuse_arguments "$@"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/mpi-environment.sh
source scripts/mpi-environment.sh
# shellcheck source=scripts/checks.sh
source scripts/checks.sh

# shellcheck source=scripts/hosts.sh
source scripts/hosts.sh

# Seconds within which a job must end after it loses a host.
limit=60
steps=120

# --- training

# train HOSTS DIRECTORY [key=value …]
train() {
    local where=$1 directory=$2
    shift 2
    across "$where" pretrain configs/quickstart.yaml run.directory="$directory" training.steps=$steps \
        training.batch_size=64 training.micro_batch_size=32 training.log_interval=10 training.validation_interval=60 \
        training.validation_jets=200 training.checkpoint_interval=30 parallel.threads=1 "$@"
}

last_checkpoint() { echo "$1/checkpoints/step-$(printf %08d $steps).h5"; }

# alike DIRECTORY DIRECTORY: the same rows, with losses, learning rates and gradient norms equal up to rounding.
alike() {
    awk -F, '
        FNR == 1 { next }
        NR == FNR { rows++; for (i = 1; i <= NF; i++) value[FNR, i] = $i; next }
        {
            others++
            for (i = 1; i <= NF; i++) {
                difference = value[FNR, i] - $i
                if (difference < 0) difference = -difference
                if ((value[FNR, i] == "") != ($i == "") || difference > 1e-3 * ($i < 0 ? -$i : $i)) exit bad = 1
            }
        }
        END { exit bad || rows != others || rows < 3 }' <(without_clock "$1") <(without_clock "$2")
}

test_training() {
    echo "=== training"
    check "a run across two hosts completes" eval "(train $both '$folder/run') >'$logs/two-hosts.log' 2>&1"
    check "it has a rank on each host" grep -q '2 hosts (kaon-a' "$logs/two-hosts.log"
    check "a run on one host completes" eval "(train $one '$folder/one') >'$logs/one-host.log' 2>&1"
    check "both train the same model up to rounding" alike "$folder/run" "$folder/one"
    # A checkpoint contains the path of the run folder in its configuration, so all runs use one folder and are moved
    # afterwards.
    mv "$folder/run" "$folder/reference"
}

# lost NAME FUNCTION: a run whose second host is made to fail by the function, and which continues when it is back.
lost() {
    local name=$1 lose=$2 job log status=0 begin host
    log=$logs/${name// /-}.log
    echo "=== a host is lost: $name"
    train $both "$folder/run" >"$log" 2>&1 &
    job=$!
    within 120 step_reached 40 "$folder/run" || fail "the run did not reach step 40; see ${log#"$PWD/"}"
    begin=$SECONDS
    "$lose"
    within $limit process_is_gone "$job" || true
    check "$name: the job ends within $limit seconds (took $((SECONDS - begin)))" process_is_gone "$job"
    check "$name: no process remains on either host" within $((limit - SECONDS + begin + 1)) hosts_are_empty
    for host in "${hosts[@]}"; do kill_host "$host"; done
    wait "$job" || status=$?
    check "$name: with an error" test "$status" -ne 0
    check "$name: the error names the host" eval "tail -n 25 '$log' | grep -q kaon-b"
    ip -n "$net-kaon-b" link set eth0 up
    check "$name: the same command completes the run" eval "(train $both '$folder/run') >>'$log' 2>&1"
    check "$name: it continues from a checkpoint" grep -qE 'continuing from .* at step [1-9]' "$log"
    check "$name: the same bytes as an uninterrupted run" \
        cmp "$(last_checkpoint "$folder/reference")" "$(last_checkpoint "$folder/run")"
    rm -rf "$folder/run"
}

process_is_gone() { [[ ! -e /proc/$1 || $(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) == [ZX] ]]; }
hosts_are_empty() { host_is_empty kaon-a && host_is_empty kaon-b; }
all_processes_die() { kill_host kaon-b; }
link_goes_down() { ip -n "$net-kaon-b" link set eth0 down; }

# --- step times

figure() { awk -v name="$2" '$1 == name { print $2 }' "$1"; }

# bench NAME OVERLAP [ARGUMENTS…]: runs a benchmark and prints a row of the table.
bench() {
    local name=$1 overlap=$2 log
    shift 2
    log=$logs/bench-$name-overlap-$overlap.log
    set -- "$@" "parallel.overlap=$([[ $overlap == on ]] && echo true || echo false)"
    if (across $both bench "$@" parallel.threads=1 --seconds "${KAON_HOSTS_SECONDS:-10}") >"$log" 2>&1; then
        printf '%-10s %-8s %15s %26s %18s\n' "$name" "$overlap" "$(figure "$log" jets_per_second)" \
            "$(figure "$log" exposed_communication_ms)" "$(figure "$log" communication_ms)"
    fi
    check "$name, overlap $overlap: measured" test -n "$(figure "$log" exposed_communication_ms)"
}

# exposed_less NAME: less communication time is exposed with overlap than without.
exposed_less() {
    awk -v on="$(figure "$logs/bench-$1-overlap-on.log" exposed_communication_ms)" \
        -v off="$(figure "$logs/bench-$1-overlap-off.log" exposed_communication_ms)" 'BEGIN { exit !(on < off) }'
}

test_overlap() {
    local name overlap
    echo "=== step times across the link of ${KAON_HOSTS_RATE:-1gbit}"
    printf '%-10s %-8s %15s %26s %18s\n' model overlap jets_per_second exposed_communication_ms communication_ms
    for overlap in on off; do
        bench small "$overlap" configs/small/mpmv2-kmeans.yaml training.batch_size=256
        bench paper "$overlap" training.batch_size=256
    done
    for name in small paper; do check "$name: the overlap hides communication" exposed_less "$name"; done
}

need_hosts
prepare
make_hosts
set_link "${KAON_HOSTS_RATE:-1gbit}"

test_training
lost "all processes die" all_processes_die
lost "the link goes down" link_goes_down
test_overlap
