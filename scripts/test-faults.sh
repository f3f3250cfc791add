#!/usr/bin/env bash
# Breaks runs in every way that a cluster does, and sees what is left: a run that goes on and ends with the
# same weights, to the bit, as one that nobody touched.
#
#     bash scripts/test-faults.sh [--short]
#
# The short form takes about a minute. Prints a line for each kind of fault with its count; the last line
# is "N passed, N failed". The full disk needs a root user who may mount a tmpfs, and is skipped without.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/mpi-environment.sh
source scripts/mpi-environment.sh

kills=50 saves=50 repeats=5 damages=20 inputs=12000
if [[ ${1:-} == --short ]]; then kills=2 saves=4 repeats=1 damages=1 inputs=400; fi
RANDOM=${KAON_FAULT_SEED:-1}

swift build -c release --product kaon >/dev/null || exit 1
kaon=$(swift build -c release --show-bin-path)/kaon
folder=$(mktemp -d)
# No file of the test is left, nor a process that it started.
started=()
finish() {
    local process
    for process in "${started[@]}"; do kill -KILL "$process" 2>/dev/null; done
    umount --lazy "$folder/small" 2>/dev/null
    rm -rf "$folder"
}
trap finish EXIT

jets=$PWD/Tests/Fixtures/jets
cat >"$folder/tiny.yaml" <<END
data: {train: ["$jets/val.h5"], validation: ["$jets/test.h5"]}
preprocessing: {jets: 500, quantiles: 50}
model:
  encoder: {width: 16, layers: 1, heads: 2, registers: 2, layer_scale: 0.1}
  decoder: {width: 16, layers: 1, heads: 2, layer_scale: 0.1}
tasks: {particle_id: {}, kmeans: {clusters: 16, fit_jets: 60, iterations: 2}}
schedule: {warmup_steps: 4, half_life: 100}
training: {steps: 200, batch_size: 8, micro_batch_size: 8, validation_interval: 100, validation_jets: 40,
           checkpoint_interval: 20, log_interval: 10}
parallel: {threads: 1}
END

passed=0 failed=0
# verdict NAME STATUS [DETAIL]: counts a check; only what went wrong is told at once.
verdict() {
    if (($2 == 0)); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $1: ${3:-}"
    fi
}

# Runs live in folders of their own under the same name, so that equal runs have equal files.
launcher() { if (($1 > 1)); then echo "${mpirun[@]}" --bind-to none -n "$1"; fi; }

# run FOLDER RANKS [key=value …]: to the end; its output is in FOLDER/output.
run() {
    local place=$1 ranks=$2
    shift 2
    mkdir -p "$place"
    # shellcheck disable=SC2046
    (cd "$place" && timeout 120 $(launcher "$ranks") "$kaon" pretrain "$folder/tiny.yaml" run.directory=run "$@" \
        >output 2>&1 </dev/null)
}

# begin FOLDER RANKS [key=value …]: in the background, until it trains; $job is what was started, $ranks_of_job
# are the processes of the ranks.
begin() {
    local place=$1 ranks=$2 tries=0
    shift 2
    mkdir -p "$place"
    # shellcheck disable=SC2046
    (cd "$place" && exec $(launcher "$ranks") "$kaon" pretrain "$folder/tiny.yaml" run.directory=run "$@" \
        >output 2>&1 </dev/null) &
    job=$!
    started+=("$job")
    while [[ ! -e $place/run/metrics.csv ]] && ((tries++ < 2000)); do sleep 0.01; done
    if ((ranks == 1)); then ranks_of_job=("$job"); else mapfile -t ranks_of_job < <(pgrep -P "$job"); fi
    started+=("${ranks_of_job[@]}")
}

# Waits for the end of a job that was broken; fails where something of it runs ten seconds later.
await_end() {
    local process tries=0
    wait "$job" 2>/dev/null
    for process in "${ranks_of_job[@]}"; do
        while is_running "$process"; do
            if ((tries++ > 100)); then return 1; fi
            sleep 0.1
        done
    done
}

# ends_within SECONDS PROCESS: kills it where it does not.
ends_within() {
    local tries=0
    while is_running "$2"; do
        if ((tries++ > 10 * $1)); then
            kill -KILL "$2" "${ranks_of_job[@]}" 2>/dev/null
            return 1
        fi
        sleep 0.1
    done
}
is_running() { [[ -e /proc/$1/stat && $(cut -d ' ' -f 3 "/proc/$1/stat" 2>/dev/null) == [^Z] ]]; }

# same FOLDER REFERENCE: whether two runs ended alike: the bytes of the last checkpoint, and the metrics but for
# what depends on the clock.
same() {
    local latest
    latest=$(readlink "$1/run/checkpoints/latest")
    [[ $latest == "$(readlink "$2/run/checkpoints/latest")" ]] &&
        cmp -s "$1/run/checkpoints/$latest" "$2/run/checkpoints/$latest" &&
        cmp -s <(metrics "$1") <(metrics "$2")
}
metrics() {
    awk -F, '{ line = ""
        for (i = 1; i <= NF; i++) {
            if (NR == 1) clock[i] = $i == "jets_per_second" || $i == "data_wait_ms"
            if (!clock[i]) line = line "," $i
        }
        print line }' "$1/run/metrics.csv"
}

# goes_on NAME FOLDER RANKS REFERENCE [key=value …]: the same command ends a broken run like the reference.
goes_on() {
    local name=$1 place=$2 ranks=$3 reference=$4
    shift 4
    if run "$place" "$ranks" "$@" && same "$place" "$reference"; then
        verdict "$name" 0
    else
        verdict "$name" 1 "$(tail -n 3 "$place/output")"
    fi
}

# A moment in the life of a run that takes about a second [s].
moment() { printf '0.%03d' $((RANDOM % 700)); }

section() { echo "$1: $((passed - before)) passed, $((failed - failed_before)) failed"; }
start_section() { before=$passed failed_before=$failed; }

for ranks in 1 2; do
    run "$folder/reference-$ranks" "$ranks" || { verdict reference 1 "$(cat "$folder/reference-$ranks/output")"; }
done
[[ -e $folder/reference-2/run/checkpoints/latest ]] || { echo "$passed passed, $failed failed"; exit 1; }

start_section
for ((number = 0; number < kills; number++)); do
    place=$folder/kill-$number
    begin "$place" 2
    sleep "$(moment)"
    kill -KILL "${ranks_of_job[RANDOM % 2]}" 2>/dev/null
    await_end || verdict "kill of a rank" 1 "something still runs"
    goes_on "kill of a rank, number $number" "$place" 2 "$folder/reference-2"
    rm -rf "$place"
done
section "kill -9 of a random rank"

start_section
for ((number = 0; number < repeats; number++)); do
    for victim in "rank 0" mpirun; do
        place=$folder/launcher
        begin "$place" 2
        sleep "$(moment)"
        if [[ $victim == mpirun ]]; then kill -KILL "$job"; else kill -KILL "${ranks_of_job[0]}"; fi 2>/dev/null
        await_end || verdict "kill of $victim" 1 "something still runs"
        goes_on "kill of $victim" "$place" 2 "$folder/reference-2"
        rm -rf "$place"
    done
done
section "kill -9 of rank 0 and of mpirun"

# The watchdog of the other rank notices, and mpirun ends them all; a run that is long enough not to end before.
start_section
reference=$folder/reference-stopped
run "$reference" 2 training.steps=1000 || verdict reference 1 "$(cat "$reference/output")"
for ((number = 0; number < repeats; number++)); do
    for victim in 0 1; do
        place=$folder/stopped
        begin "$place" 2 training.steps=1000 parallel.watchdog.silence=2
        sleep "$(moment)"
        kill -STOP "${ranks_of_job[victim]}"
        ends_within 30 "$job"
        verdict "SIGSTOP of rank $victim" $? "the job goes on"
        await_end || verdict "SIGSTOP of rank $victim" 1 "something still runs"
        grep -qE "rank $victim on .*: no sign of life" "$place/output"
        verdict "SIGSTOP of rank $victim" $? "no word of it: $(tail -n 3 "$place/output")"
        goes_on "SIGSTOP of rank $victim" "$place" 2 "$reference" training.steps=1000
        rm -rf "$place"
    done
done
section "SIGSTOP of a rank and of rank 0"

# A limit on the size of files ends the process, by SIGXFSZ, at that byte of the checkpoint.
start_section
size=$(stat -c %s "$folder/reference-1/run/checkpoints/$(readlink "$folder/reference-1/run/checkpoints/latest")")
for ((number = 0; number < saves; number++)); do
    place=$folder/save-$number
    begin "$place" 1 training.log_interval=10
    offset=$(((RANDOM * 32768 + RANDOM) % size))
    prlimit --pid "$job" --fsize="$offset" 2>/dev/null
    await_end
    goes_on "kill at byte $offset of a save" "$place" 1 "$folder/reference-1" training.log_interval=10
    rm -rf "$place"
done
section "kill at a random byte of a save"

start_section
for ((number = 0; number < repeats; number++)); do
    place=$folder/replaced
    begin "$place" 1
    # It must not end before the second has looked.
    kill -STOP "$job"
    run "$folder/second" 1 run.directory="$place/run"
    verdict "two runs in one folder" $(($? != 1)) "the second was not refused"
    grep -q 'is in use by another run' "$folder/second/output"
    verdict "two runs in one folder" $? "$(cat "$folder/second/output")"
    kill -CONT "$job"
    wait "$job"
    same "$place" "$folder/reference-1"
    verdict "two runs in one folder" $? "the first one did not end well"
    rm -rf "$place"
done
section "two runs in one folder"

# damage FILE KIND: flips a bit, cuts the file, or zeroes a block, at a random place.
damage() {
    local size offset byte
    size=$(stat -c %s "$1")
    offset=$(((RANDOM * 32768 + RANDOM) % size))
    case $2 in
        bit)
            byte=$(od -An -tu1 -j "$offset" -N 1 "$1")
            printf "\\x$(printf %x $((byte ^ (1 << (RANDOM % 8)))))" |
                dd of="$1" bs=1 seek="$offset" conv=notrunc status=none ;;
        cut) truncate -s "$offset" "$1" ;;
        block) dd if=/dev/zero of="$1" bs=512 seek=$((offset / 512)) count=8 conv=notrunc status=none ;;
    esac
}

start_section
for ((number = 0; number < damages; number++)); do
    for kind in bit cut block; do
        place=$folder/damage
        run "$place" 1 training.steps=100
        damage "$place/run/checkpoints/$(readlink "$place/run/checkpoints/latest")" "$kind"
        # A bit that carries no meaning may be flipped unnoticed; the end is the same.
        goes_on "$kind damaged in the latest checkpoint" "$place" 1 "$folder/reference-1"
        rm -rf "$place"
    done
done
section "a damaged checkpoint"

start_section
for ((number = 0; number < repeats; number++)); do
    place=$folder/none
    run "$place" 1 training.steps=60
    for path in "$place"/run/checkpoints/step-*; do damage "$path" cut; done
    run "$place" 1
    verdict "all checkpoints damaged" $(($? != 1)) "the run began anew"
    grep -q 'checkpoints of run is damaged' "$place/output"
    verdict "all checkpoints damaged" $? "$(cat "$place/output")"
    rm -rf "$place"
done
section "all checkpoints damaged"

start_section
for ((number = 0; number < damages; number++)); do
    for kind in cut block; do
        place=$folder/data
        mkdir -p "$place"
        cp "$jets/val.h5" "$place/jets.h5"
        damage "$place/jets.h5" "$kind"
        run "$place" 1 data.train="[$place/jets.h5]"
        # An error in words, or damage where nothing stands; never a crash.
        status=$?
        ((status == 0)) || grep -q '^Error: ' "$place/output"
        verdict "$kind damaged in the data" $((status > 1 || $? != 0)) "exit code $status: $(tail -n 3 "$place/output")"
        rm -rf "$place"
    done
done
section "damaged data"

start_section
if mkdir "$folder/small" && mount -t tmpfs -o size=1500k tmpfs "$folder/small" 2>/dev/null; then
    run "$folder/reference-full" 1 training.keep_last=100
    (cd "$folder/small" && "$kaon" pretrain "$folder/tiny.yaml" run.directory=run training.keep_last=100 \
        >"$folder/full" 2>&1 </dev/null)
    verdict "a full disk" $(($? != 1)) "the end was not an error"
    grep -q 'no checkpoint was written.*no space left on device' "$folder/full"
    verdict "a full disk" $? "no word of it"
    mount -o remount,size=100m "$folder/small"
    goes_on "a full disk that was cleared" "$folder/small" 1 "$folder/reference-full" training.keep_last=100
    umount --lazy "$folder/small"
else
    echo "a full disk: skipped, for a tmpfs cannot be mounted here"
fi
section "a full disk"

# It counts for itself.
bash scripts/fuzz.sh "$inputs" >"$folder/fuzz"
sed '$d; s/^/fuzzer, /' "$folder/fuzz"
if [[ $(tail -n 1 "$folder/fuzz") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
    passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
else
    verdict fuzzer 1 "it broke off"
fi

echo "$passed passed, $failed failed"
((failed == 0))
