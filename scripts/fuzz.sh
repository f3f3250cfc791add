#!/usr/bin/env bash
# Feeds damaged and hostile inputs to kaon's readers: configurations with overrides, safetensors files, jet files and
# checkpoints. Each input must be accepted, or rejected with a one-sentence error: no crash, no hang, no gigabytes of
# memory for a small file.
#
#     bash scripts/fuzz.sh [INPUTS [FIRST_SEED]]
#
# INPUTS (default 12000) is the total over the four readers. Inputs are a function of the seed;
# `fuzz SUBJECT SEED SEED+1 FOLDER` repeats one (Tests/Fuzz). The last line is "N passed, N failed"; failing inputs are
# kept in .build/test-logs/fuzz.
set -uo pipefail
# shellcheck source=scripts/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/mpi-environment.sh
source scripts/mpi-environment.sh

inputs=${1:-12000} first=${2:-0}
subjects=(configuration safetensors data checkpoint)
swift build -c release --product fuzz >/dev/null || exit 1
fuzz=$(swift build -c release --show-bin-path)/fuzz
logs=$PWD/.build/test-logs/fuzz
rm -rf "$logs"
mkdir -p "$logs"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export SWIFT_BACKTRACE=enable=no

# cause STATUS: describes how a process ended.
cause() {
    case $1 in
        155) echo "exceeded 10 seconds of CPU time" ;;
        142) echo "did not finish within 300 seconds" ;;
        13[0-9] | 14[0-9]) echo "crashed ($(kill -l $(($1 - 128))))" ;;
        *) echo "ended with exit code $1" ;;
    esac
}

# try_seeds SUBJECT FIRST END: runs the seeds in one process. Sets $status, and from its progress file: $seed, the first
# seed not completed, and the counts before it: $now_taken, $now_refused and $now_faults.
try_seeds() {
    local at
    status=0 seed=$2 now_taken=0 now_refused=0 now_faults=0
    rm -f "$place/progress"
    { "$fuzz" "$1" "$2" "$3" "$place" >>"$log" 2>&1 </dev/null; } 2>/dev/null || status=$?
    [[ -s $place/progress ]] || return 1
    read -r at now_taken now_refused now_faults <"$place/progress"
    seed=$((10#$at)) now_taken=$((10#$now_taken))
    now_refused=$((10#$now_refused)) now_faults=$((10#$now_faults))
}

# Succeeds if the HDF5 library crashed or hung and kaon's crash guard reported the file and exited: a rejection that
# ends the process.
ended_by_guard() {
    ((status == 1)) && [[ $(tail -n 1 "$log") == "Error: HDF5 "*": the library "*"; the file is damaged" ]]
}

passed=0 failed=0
for subject in "${subjects[@]}"; do
    place=$folder/$subject log=$logs/$subject.log
    mkdir "$place"
    next=$first end=$((first + inputs / ${#subjects[@]}))
    taken=0 refused=0 ended=0 spoilt=0 faults=0
    # One process runs all seeds unless a seed ends it; the next process continues after that seed.
    while ((next < end)); do
        if ! try_seeds "$subject" "$next" "$end"; then
            echo "$subject: the fuzzer does not start; see ${log#"$PWD"/}"
            faults=$((faults + end - next))
            break
        fi
        taken=$((taken + now_taken)) refused=$((refused + now_refused)) faults=$((faults + now_faults))
        if ((seed == end && status == 0)); then break; fi
        if ! ended_by_guard; then
            # An earlier input may have made the library corrupt memory. Run the seed alone, as in a real run: it must
            # pass.
            echo "seed $seed: $(cause $status)" >>"$log"
            try_seeds "$subject" "$seed" $((seed + 1)) || true
            taken=$((taken + now_taken)) refused=$((refused + now_refused)) faults=$((faults + now_faults))
            if ((status == 0)) || ended_by_guard; then spoilt=$((spoilt + 1)); fi
            if ((status == 0)); then
                next=$seed
                continue
            fi
        fi
        if ended_by_guard; then
            ended=$((ended + 1)) refused=$((refused + 1))
        else
            echo "seed $seed, alone: $(cause $status)" >>"$log"
            for file in "$place"/input*; do cp "$file" "$logs/$subject-$seed-$(basename "$file")"; done
            faults=$((faults + 1))
        fi
        next=$((seed + 1))
    done
    ((faults == 0)) || grep -a '^seed' "$log" | cut -c 1-300 | head -n 20
    by_guard=$( ((ended == 0)) || echo " ($ended by ending the process)")
    after=$( ((spoilt == 0)) || echo ", $spoilt repeated because the library had corrupted memory")
    tried=$((taken + refused + faults))
    echo "$subject: $tried inputs, $taken accepted, $refused rejected$by_guard$after, $faults failed"
    passed=$((passed + taken + refused)) failed=$((failed + faults))
done
echo "$passed passed, $failed failed"
((failed == 0))
