#!/usr/bin/env bash
# Interrupts and damages runs in the ways that occur on a cluster, and checks that each continues and ends with weights
# bit-identical to those of an undisturbed run.
#
#     bash scripts/test-faults.sh [--short]
#
# The short form takes about a minute. Prints one line with counts for each kind of fault; the last line is
# "N passed, N failed". KAON is the program (default: the release build, which is built first). The tests of a full
# disk and of a read-only folder need root and permission to mount a tmpfs; otherwise they are skipped.
set -uo pipefail
# shellcheck source=scripts/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
kills=50 saves=50 repeats=5 damages=20 inputs=12000
if [[ ${1:-} == --short ]]; then
    kills=2 saves=4 repeats=1 damages=1 inputs=400
    shift
fi
refuse_arguments "$@"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/mpi-environment.sh
source scripts/mpi-environment.sh
# shellcheck source=scripts/checks.sh
source scripts/checks.sh

RANDOM=${KAON_FAULT_SEED:-1}

prepare >/dev/null
folder=$(mktemp -d)
# All processes started by the test, killed at the end together with the removal of its files.
started=()
clean_up() {
    local process
    for process in "${started[@]}"; do kill -KILL "$process" 2>/dev/null; done
    umount --lazy "$folder/small" 2>/dev/null
    rm -rf "$folder"
}

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
# Long enough that the run is still going when a test has waited for a step; it logs every step.
steps=300
long=(training.steps=$steps training.log_interval=1)

# library NAME: compiles the C code on standard input to a library that replaces functions of a process (LD_PRELOAD).
library() {
    local compiler
    cat >"$folder/$1.c"
    compiler=$(command -v clang || command -v cc) || { echo "skipped: $1 functions need clang or cc" && return 1; }
    "$compiler" -shared -fPIC -o "$folder/$1.so" "$folder/$1.c" -ldl
}

# verdict NAME STATUS [DETAIL]: counts a check; prints only failures.
verdict() {
    if (($2 == 0)); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $1: ${3:-}"
    fi
}

# Each run has the same relative path in its own folder, so that equal runs have equal files.
launcher() { if (($1 > 1)); then echo "${mpirun[@]}" --bind-to none -n "$1"; fi; }

# run FOLDER RANKS [key=value …]: trains to the end; the output goes to FOLDER/output.
run() {
    local place=$1 ranks=$2
    shift 2
    mkdir -p "$place"
    # shellcheck disable=SC2046
    (cd "$place" && timeout 120 $(launcher "$ranks") "$KAON" pretrain "$folder/tiny.yaml" run.directory=run "$@" \
        >output 2>&1 </dev/null)
}

# begin FOLDER RANKS [key=value …]: starts a run in the background and waits until it trains. Sets $job to the process
# started and $ranks_of_job to the processes of the ranks.
begin() {
    local place=$1 ranks=$2 tries=0
    shift 2
    mkdir -p "$place"
    # shellcheck disable=SC2046
    (cd "$place" && exec $(launcher "$ranks") "$KAON" pretrain "$folder/tiny.yaml" run.directory=run "$@" \
        >output 2>&1 </dev/null) &
    job=$!
    started+=("$job")
    while [[ ! -e $place/run/metrics.csv ]] && ((tries++ < 2000)); do sleep 0.01; done
    if ((ranks == 1)); then ranks_of_job=("$job"); else mapfile -t ranks_of_job < <(pgrep -P "$job"); fi
    started+=("${ranks_of_job[@]}")
}

# at_step STEP FOLDER: waits until the job has logged the step; fails if it ends before or takes longer than a minute.
at_step() {
    local end=$((SECONDS + 60))
    until step_reached "$1" "$2/run"; do
        is_running "$job" && ((SECONDS < end)) || return 1
        sleep 0.01
    done
}

# Waits for the end of an interrupted job and sets $status to its exit code; fails if one of its ranks is still running
# ten seconds later.
await_end() {
    local process tries=0
    wait "$job" 2>/dev/null
    status=$?
    for process in "${ranks_of_job[@]}"; do
        while is_running "$process"; do
            if ((tries++ > 100)); then return 1; fi
            sleep 0.1
        done
    done
    # Their process ids may be reused.
    started=()
}

# ends_within SECONDS PROCESS: waits for the end of the process; kills it and fails after that time.
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

# same FOLDER REFERENCE: succeeds if both runs have the same last checkpoint, byte for byte, and the same metrics except
# for the columns that depend on time.
same() {
    local latest
    latest=$(readlink "$1/run/checkpoints/latest")
    [[ $latest == "$(readlink "$2/run/checkpoints/latest")" ]] &&
        cmp -s "$1/run/checkpoints/$latest" "$2/run/checkpoints/$latest" &&
        cmp -s <(without_clock "$1/run") <(without_clock "$2/run")
}

# Files in /dev/shm before the first job.
shared_before=$(ls -A /dev/shm 2>/dev/null)

# left_in_shared_memory: prints the new files in /dev/shm that stay for five seconds without a process that has mapped
# them. Other jobs may have files of their own.
left_in_shared_memory() {
    local name tries left
    for ((tries = 0; tries < 10; tries++)); do
        left=""
        for name in $(comm -13 <(sort <<<"$shared_before") <(ls -A /dev/shm 2>/dev/null | sort)); do
            grep -qsF "/dev/shm/$name" /proc/[0-9]*/maps || left+="$name "
        done
        [[ -n $left ]] || return 0
        sleep 0.5
    done
    echo "$left"
}

# dies NAME FOLDER SIGNAL PROCESS: sends the signal at a random step of the job, and checks that the job was running
# until then, fails, and leaves no process and no file in /dev/shm. Counts only failures.
dies() {
    local step=$((1 + RANDOM % (steps * 3 / 4))) wrong="" left
    # Hides the shell's own message about the signal.
    {
        at_step "$step" "$2" && kill "-$3" "$4" || wrong="it ended before the signal: $(tail -n 3 "$2/output")"
        ends_within 30 "$job" || wrong=${wrong:-"the job does not end"}
        await_end || wrong=${wrong:-"a process is left"}
    } 2>/dev/null
    ((status != 0)) || wrong=${wrong:-"the job succeeded"}
    left=$(left_in_shared_memory)
    [[ -z $left ]] || wrong=${wrong:-"files are left in /dev/shm: $left"}
    [[ -z $wrong ]] || verdict "$1 at step $step" 1 "$wrong"
    [[ -z $wrong ]]
}

# goes_on NAME FOLDER RANKS REFERENCE [key=value …]: checks that the same command completes an interrupted run with the
# results of the reference.
goes_on() {
    local name=$1 place=$2 ranks=$3 reference=$4
    shift 4
    if run "$place" "$ranks" "$@" && same "$place" "$reference"; then
        verdict "$name" 0
    else
        verdict "$name" 1 "$(tail -n 3 "$place/output")"
    fi
    broken=$((broken + 1))
    if grep -q '^continuing from' "$place/output"; then continued=$((continued + 1)); fi
}

# section NAME: prints the counts of a section. Runs interrupted before their first checkpoint start from the beginning.
section() {
    local more=""
    if ((broken > 0)); then more="; $continued of $broken continued from a checkpoint"; fi
    echo "$1: $((passed - before)) passed, $((failed - failed_before)) failed$more"
}
start_section() { before=$passed failed_before=$failed broken=0 continued=0; }

# Many tests start from a copy of a run of 100 steps.
run "$folder/hundred" 1 training.steps=100 &&
    run "$folder/reference-1" 1 && run "$folder/reference-2" 2 "${long[@]}"
verdict reference $? "$(tail -n 3 "$folder"/*/output)"
((failed == 0)) || exit 1

# kill_one 0|1|mpirun: kills that rank, or mpirun.
kill_one() {
    local place=$folder/killed name="kill of rank $1" process
    begin "$place" 2 "${long[@]}"
    if [[ $1 == mpirun ]]; then name="kill of mpirun" process=$job; else process=${ranks_of_job[$1]}; fi
    dies "$name" "$place" KILL "$process" && goes_on "$name" "$place" 2 "$folder/reference-2" "${long[@]}"
    rm -rf "$place"
}
start_section
for ((number = 0; number < kills; number++)); do kill_one $((RANDOM % 2)); done
section "kill -9 of a random rank"

start_section
for ((number = 0; number < repeats; number++)); do
    for victim in 0 mpirun; do kill_one "$victim"; done
done
section "kill -9 of rank 0 and of mpirun"

# The watchdog of the other rank detects a stopped rank, and mpirun terminates all.
start_section
for ((number = 0; number < repeats; number++)); do
    for victim in 0 1; do
        place=$folder/stopped
        begin "$place" 2 "${long[@]}" parallel.watchdog.silence=2
        if dies "SIGSTOP of rank $victim" "$place" STOP "${ranks_of_job[victim]}"; then
            grep -qE "rank $victim on .*: no sign of life" "$place/output"
            verdict "SIGSTOP of rank $victim" $? "not reported: $(tail -n 3 "$place/output")"
            goes_on "SIGSTOP of rank $victim" "$place" 2 "$folder/reference-2" "${long[@]}"
        fi
        rm -rf "$place"
    done
done
section "SIGSTOP of a rank and of rank 0"

# Every rank fails in the second step, while rank 0 writes the checkpoint of the first for longer than a rank may be
# silent.
start_section
if library slow <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int fsync(int file) {
    char link[64], path[4096] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    if (readlink(link, path, sizeof path - 1) > 0 && strstr(path, ".step-")) sleep(8);
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(file);
}
END
then
    place=$folder/diverging
    (export LD_PRELOAD=$folder/slow.so
        run "$place" 2 training.checkpoint_interval=1 training.detect_anomaly=true optimizer.learning_rate=1e30 \
            schedule.warmup_steps=0 parallel.watchdog.silence=2)
    verdict "error during a save" $(($? != 1)) "$(tail -n 3 "$place/output")"
    grep -q "step 2: " "$place/output" && [[ -e $place/run/checkpoints/step-00000001.h5 ]]
    verdict "error during a save" $? "not reported, or no checkpoint: $(tail -n 3 "$place/output")"
    rm -rf "$place"
fi
# The steps before the error are saved, although no checkpoint was due.
run "$place" 2 training.detect_anomaly=true optimizer.learning_rate=1e30 schedule.warmup_steps=0
verdict "error between saves" $(($? != 1)) "$(tail -n 3 "$place/output")"
[[ $(readlink "$place/run/checkpoints/latest") == step-00000001.h5 ]]
verdict "error between saves" $? "no checkpoint: $(tail -n 3 "$place/output")"
rm -rf "$place"
section "error of all ranks during a save and between saves"

# The file system refuses a read of the training file, once on each rank; MPI-IO of Open MPI does not report that.
start_section
if library refusing <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
static int reads, refusals = 1;
static int refused(int file) {
    char link[64], path[4096] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    if (readlink(link, path, sizeof path - 1) <= 0 || !strstr(path, "/val.h5") || ++reads < 60) return 0;
    if (refusals-- <= 0) return 0;
    errno = EIO;
    return 1;
}
#define CALL(name, ...) \
    (refused(file) ? -1 : ((ssize_t(*)(int, ...))dlsym(RTLD_NEXT, name))(file, __VA_ARGS__))
ssize_t read(int file, void *to, size_t count) { return CALL("read", to, count); }
ssize_t pread(int file, void *to, size_t count, off_t at) { return CALL("pread", to, count, at); }
ssize_t pread64(int file, void *to, size_t count, off_t at) { return CALL("pread64", to, count, at); }
ssize_t preadv(int file, const struct iovec *to, int count, off_t at) { return CALL("preadv", to, count, at); }
END
then
    for ranks in 1 2; do
        place=$folder/refused name="a refused read on $ranks ranks"
        settings=()
        if ((ranks > 1)); then settings=("${long[@]}"); fi
        (export LD_PRELOAD=$folder/refusing.so
            run "$place" "$ranks" "${settings[@]}")
        verdict "$name" $? "$(tail -n 3 "$place/output")"
        warnings=$(grep -c "^warning: .*: HDF5 read .*/val.h5.*: input/output error; the read is repeated in 1 s" \
            "$place/output")
        verdict "$name" $((warnings != ranks)) "not reported: $(tail -n 3 "$place/output")"
        same "$place" "$folder/reference-$ranks"
        verdict "$name" $? "other weights than without"
        rm -rf "$place"
    done
fi
section "a refused read"

# A message with the state of the optimizer fails on one rank: MPI returns an error, and the other rank waits. The
# watchdog, which would report that later, is off, as it receives messages too.
start_section
if library failing <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
static int fails(const char *rank) {
    const char *own = getenv("OMPI_COMM_WORLD_RANK");
    return own && !strcmp(own, rank) && !strcmp(own, getenv("FAILING_RANK"));
}
int MPI_Send(const void *buffer, int count, void *type, int to, int tag, void *communicator) {
    int (*send)(const void *, int, void *, int, int, void *) = dlsym(RTLD_NEXT, "MPI_Send");
    return fails("1") ? 16 : send(buffer, count, type, to, tag, communicator);
}
int MPI_Recv(void *buffer, int count, void *type, int from, int tag, void *communicator, void *status) {
    int (*receive)(void *, int, void *, int, int, void *, void *) = dlsym(RTLD_NEXT, "MPI_Recv");
    return fails("0") ? 16 : receive(buffer, count, type, from, tag, communicator, status);
}
END
then
    for victim in 0 1; do
        place=$folder/message name="failed message of rank $victim"
        (export LD_PRELOAD=$folder/failing.so FAILING_RANK=$victim
            run "$place" 2 "${long[@]}" parallel.watchdog.enabled=false)
        verdict "$name" $(($? != 1)) "the run did not end with an error: $(tail -n 3 "$place/output")"
        grep -q "^Error: rank $victim on .*: the optimizer's state could not be collected for a checkpoint: MPI_" \
            "$place/output"
        verdict "$name" $? "not reported: $(tail -n 3 "$place/output")"
        goes_on "$name" "$place" 2 "$folder/reference-2" "${long[@]}"
        rm -rf "$place"
    done
fi
section "a failed message with the state of the optimizer"

# A limit on the file size kills the process with SIGXFSZ (25) at that byte of its first checkpoint; the limit is larger
# than all other files. MPI must not create its large shared-memory files, which a single rank does not need.
start_section
older=checkpoints/step-00000100.h5
size=$(stat -c %s "$folder/hundred/run/$older")
others=$(find "$folder/reference-1/run" -maxdepth 1 -type f -printf '%s\n' | sort -n | tail -n 1)
for ((number = 0; number < saves; number++)); do
    place=$folder/saving
    cp -a "$folder/hundred" "$place"
    offset=$((others + 1 + (RANDOM * 32768 + RANDOM) % (size - others - 1)))
    name="kill at byte $offset of a save"
    # Hides the shell's own message about the signal.
    {
        (cd "$place" && OMPI_MCA_ess_singleton_isolated=1 OMPI_MCA_btl=self timeout 120 \
            prlimit --fsize="$offset" "$KAON" pretrain "$folder/tiny.yaml" run.directory=run >output 2>&1 </dev/null)
        status=$?
    } 2>/dev/null
    begun=$(cd "$place/run/checkpoints" && find . -name '.step-*.tmp' -size +0)
    if ((status != 128 + 25)) || [[ -z $begun ]]; then
        verdict "$name" 1 "exit code $status, begun: ${begun:-nothing}: $(tail -n 3 "$place/output")"
    elif ! cmp -s "$place/run/$older" "$folder/hundred/run/$older"; then
        verdict "$name" 1 "the previous checkpoint has changed"
    else
        goes_on "$name" "$place" 1 "$folder/reference-1"
        if [[ -e $place/run/checkpoints/$begun ]] || ! grep -q "^continuing from .*$older" "$place/output"; then
            verdict "$name" 1 "$begun still exists, or the run did not continue from $older: $(cat "$place/output")"
        fi
    fi
    rm -rf "$place"
done
section "kill at a random byte of a save, with an earlier checkpoint"

start_section
for ((number = 0; number < repeats; number++)); do
    place=$folder/replaced
    begin "$place" 1
    # It must not end before the second run has checked the folder.
    kill -STOP "$job"
    run "$folder/second" 1 run.directory="$place/run"
    verdict "two runs in one folder" $(($? != 1)) "the second run was not rejected"
    grep -q 'is in use by another run' "$folder/second/output"
    verdict "two runs in one folder" $? "$(cat "$folder/second/output")"
    kill -CONT "$job"
    await_end
    same "$place" "$folder/reference-1"
    verdict "two runs in one folder" $? "the results of the first run differ from the reference"
    rm -rf "$place"
done
section "two runs in one folder"

# damage FILE KIND: flips a bit, truncates the file, or zeroes a block, at a random offset.
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
        cp -a "$folder/hundred" "$place"
        damage "$place/run/checkpoints/$(readlink "$place/run/checkpoints/latest")" "$kind"
        # A flipped bit in unused space may go unnoticed; the results are the same.
        goes_on "$kind damaged in the latest checkpoint" "$place" 1 "$folder/reference-1"
        rm -rf "$place"
    done
done
section "a damaged checkpoint"

# An unreadable or missing row does not affect the other rows. A row whose step is readable is kept, and the checkpoint,
# which contains the number of rows, is bit-identical.
other_rows() { without_clock "$1/run" | grep -av "^$step,"; }
steps_of() { cut -d , -f 1 "$1/run/metrics.csv"; }
start_section
for ((number = 0; number < repeats; number++)); do
    for kind in bit line; do
        place=$folder/rows step=$((10 + RANDOM % 10 * 10))
        cp -a "$folder/hundred" "$place"
        file=$place/run/metrics.csv digit=$((RANDOM % 10))
        case $kind in
            # Sets the top bit of the last occurrence of the digit in the row, after the step.
            bit) LC_ALL=C sed -i "s/^\\($step,.*\\)$digit/\\1\\xb$digit/" "$file" ;;
            line) sed -i "/^$step,/d" "$file" ;;
        esac
        run "$place" 1 && cmp -s <(other_rows "$place") <(other_rows "$folder/reference-1") &&
            if [[ $kind == line ]]; then
                grep -q '^warning: .*metrics.csv' "$place/output"
            else
                cmp -s <(steps_of "$place") <(steps_of "$folder/reference-1") &&
                    cmp -s "$place/run/checkpoints/latest" "$folder/reference-1/run/checkpoints/latest"
            fi
        verdict "metrics.csv, $kind damaged at step $step" $? "$(wc -l <"$file") lines; $(tail -n 3 "$place/output")"
        rm -rf "$place"
    done
done
section "a damaged metrics.csv"

start_section
for ((number = 0; number < repeats; number++)); do
    place=$folder/none
    run "$place" 1 training.steps=60
    for path in "$place"/run/checkpoints/step-*; do damage "$path" cut; done
    run "$place" 1
    verdict "all checkpoints damaged" $(($? != 1)) "the run was not rejected"
    grep -q 'checkpoints of run is damaged' "$place/output"
    verdict "all checkpoints damaged" $? "$(cat "$place/output")"
    rm -rf "$place"
done
section "all checkpoints damaged"

start_section
for ((number = 0; number < damages; number++)); do
    for kind in bit cut block; do
        place=$folder/data
        mkdir -p "$place"
        cp "$jets/val.h5" "$place/jets.h5"
        damage "$place/jets.h5" "$kind"
        run "$place" 1 data.train="[$place/jets.h5]"
        # Either an error message, or success if the damage is in unused space or in values without a checksum; never a
        # crash.
        status=$?
        ((status == 0)) || grep -q '^Error: ' "$place/output"
        verdict "$kind damaged in the data" $((status > 1 || $? != 0)) "exit code $status: $(tail -n 3 "$place/output")"
        rm -rf "$place"
    done
done
section "damaged data"

# turn_read_only FOLDER: makes the folder of the running job read-only. A file system with files open for writing cannot
# be remounted read-only, but a bind mount over the folder can. Rank 0 is paused meanwhile, so that both mounts take
# effect at once.
turn_read_only() {
    at_step 60 "$1" && kill -STOP "${ranks_of_job[0]}" &&
        mount --bind "$1/run" "$1/run" && mount -o remount,ro,bind "$1/run"
    local result=$?
    kill -CONT "${ranks_of_job[0]}"
    return "$result"
}

start_section
if mkdir "$folder/small" && mount -t tmpfs -o size=1500k tmpfs "$folder/small" 2>/dev/null; then
    run "$folder/reference-full" 1 training.keep_last=100
    (cd "$folder/small" && "$KAON" pretrain "$folder/tiny.yaml" run.directory=run training.keep_last=100 \
        >"$folder/full" 2>&1 </dev/null)
    verdict "a full disk" $(($? != 1)) "the run did not end with an error"
    grep -q 'no checkpoint was written.*no space left on device' "$folder/full"
    verdict "a full disk" $? "not reported"
    mount -o remount,size=100m "$folder/small"
    goes_on "a full disk that was cleared" "$folder/small" 1 "$folder/reference-full" training.keep_last=100
    rm -rf "$folder/small/run"
    section "a full disk"

    start_section
    place=$folder/small
    for ((number = 0; number < repeats; number++)); do
        for length in "to the end" "for a while"; do
            name="a folder read-only $length"
            begin "$place" 2 "${long[@]}"
            turn_read_only "$place"
            verdict "$name" $? "the folder could not be made read-only: $(tail -n 3 "$place/output")"
            if [[ $length == "for a while" ]]; then
                until grep -qi '^warning: .*read-only file system' "$place/output" || ! is_running "$job"; do :; done
                umount --lazy "$place/run"
            fi
            ends_within 60 "$job"
            await_end
            grep -qi '^warning: .*no checkpoint was written.*read-only file system' "$place/output"
            verdict "$name" $? "not reported: $(tail -n 3 "$place/output")"
            if [[ $length == "for a while" ]]; then
                ((status == 0)) && same "$place" "$folder/reference-2"
                verdict "$name" $? "exit code $status: $(tail -n 3 "$place/output")"
            else
                ((status == 1)) && grep -q '^Error: .*no checkpoint was written' "$place/output"
                verdict "$name" $? "exit code $status: $(tail -n 3 "$place/output")"
                umount --lazy "$place/run"
                goes_on "$name" "$place" 2 "$folder/reference-2" "${long[@]}"
            fi
            rm -rf "$place/run"
        done
    done
    section "a folder that becomes read-only"
    umount --lazy "$folder/small"
else
    echo "a full disk, a folder that becomes read-only: skipped, a tmpfs cannot be mounted here"
fi

# The fuzzer prints its own counts.
bash scripts/fuzz.sh "$inputs" >"$folder/fuzz"
sed '$d; s/^/fuzzer, /' "$folder/fuzz"
if [[ $(tail -n 1 "$folder/fuzz") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
    passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
else
    verdict fuzzer 1 "it ended early"
fi
