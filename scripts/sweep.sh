#!/usr/bin/env bash
# Runs a kaon command once for each line of a text file, with the overrides on that line, on this machine:
#
#     bash scripts/sweep.sh [--parallel N] [--ranks N] FILE COMMAND CONFIG [key=value …]
#
# Each line of FILE sets its own run.directory; scripts/sweep-lines.sh prints such lines:
#
#     run.directory=runs/rate-1e-3 optimizer.learning_rate=1e-3
#     run.directory=runs/rate-3e-4 optimizer.learning_rate=3e-4
#
#     --parallel N   lines run at the same time (default 1); they share the cores unless parallel.threads is given
#     --ranks N      ranks per line (default 1), started with mpirun
#
# A failing line is reported and does not stop the others. SIGINT and SIGTERM stop the running lines after the current
# step, with a checkpoint; the final report lists lines with steps left, lines not started, and their folders. Giving
# the same command again continues a stopped sweep and repeats failed lines; finished runs are detected within seconds.
# The end of the output of a failing line is shown; the full output of each run is in its kaon.log. Exit code: 0 if all
# lines are done, 1 if a line failed, 75 if steps are left. Set KAON to use another program than .build/release/kaon or
# the kaon in PATH.
set -euo pipefail
# shellcheck source=scripts/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
here=$(dirname "${BASH_SOURCE[0]}")

fail() {
    printf 'sweep: %s\n' "$*" >&2
    exit 2
}

usage="usage: bash scripts/sweep.sh [--parallel N] [--ranks N] FILE COMMAND CONFIG [key=value …]"
parallel=1 ranks=1
while [[ ${1:-} == -* ]]; do
    case $1 in
        -h | --help)
            print_comment "${BASH_SOURCE[0]}"
            exit
            ;;
        --parallel | --ranks)
            [[ ${2:-} =~ ^[1-9][0-9]{0,3}$ ]] || fail "$1 needs a number of at least 1; $usage"
            if [[ $1 == --parallel ]]; then parallel=$2; else ranks=$2; fi
            shift 2
            ;;
        *) fail "unknown option $1; $usage" ;;
    esac
done
(($# >= 3)) || fail "$usage"
file=$1
shift
[[ -f $file && -r $file ]] || fail "$file is not a readable file; scripts/sweep-lines.sh prints the lines of a sweep"
[[ $1 == pretrain || $1 == finetune ]] || fail "unknown command '$1'; expected pretrain or finetune"
[[ $2 != *=* && -f $2 ]] || fail "$2 is not a configuration file; $usage"

if [[ -z ${KAON:-} ]]; then
    KAON=$here/../.build/release/kaon
    [[ -x $KAON ]] || KAON=kaon
fi
command -v "$KAON" >/dev/null ||
    fail "$KAON not found; build it with: swift build -c release --product kaon, or set KAON to its path"

# Check all lines before starting any: two runs in one folder would overwrite each other.
numbers=() directories=()
mapfile -t lines <"$file"
for index in "${!lines[@]}"; do
    [[ -n ${lines[index]//[[:space:]]/} ]] || continue
    number=$((index + 1))
    # xargs splits a line into words like a shell, including quotes, without running anything.
    words=$(xargs -n 1 printf '%s\n' <<<"${lines[index]}" 2>/dev/null) ||
        fail "line $number of $file has an unmatched quote"
    directory=$(sed -n 's/^run\.directory=//p' <<<"$words" | tail -n 1)
    [[ -n $directory ]] ||
        fail "line $number of $file has no run.directory=…; each run needs its own folder"
    for other in "${!directories[@]}"; do
        if [[ ${directories[other]} == "$directory" ]]; then
            fail "lines ${numbers[other]} and $number of $file have the same run.directory=$directory"
        fi
    done
    numbers+=("$number")
    directories+=("$directory")
done
((${#numbers[@]} > 0)) || fail "$file has no lines"

command=("$KAON" "$@")
if ((ranks > 1)); then
    # shellcheck source=scripts/mpi-environment.sh
    source "$here/mpi-environment.sh"
    command -v mpirun >/dev/null || fail "--ranks $ranks needs mpirun, which is not in PATH"
    # With binding, concurrent mpiruns would all use the first cores.
    ((parallel == 1)) || mpirun+=(--bind-to none)
    command=("${mpirun[@]}" -n "$ranks" "${command[@]}")
fi
if ((parallel > 1)) && [[ " $* " != *" parallel.threads="* ]]; then
    threads=$(($(nproc) / (parallel * ranks)))
    command+=("parallel.threads=$((threads > 0 ? threads : 1))")
fi

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
declare -A running=() begin=() # by line number: process id and start time of the running lines
failed=() left=() stop=""

# kaon and mpirun both forward SIGUSR1 to all ranks, which stop after the current step. After other signals mpirun kills
# the ranks too soon.
stop_all() {
    stop=yes
    echo "sweep: stopping after the current step; the same command continues the sweep"
    local number
    for number in "${!running[@]}"; do kill -USR1 "${running[$number]}" 2>/dev/null || true; done
}
trap stop_all INT TERM HUP

start() { # start NUMBER
    local overrides
    mapfile -t overrides < <(xargs -n 1 printf '%s\n' <<<"${lines[$1 - 1]}")
    # In a new session, so that ^C at the terminal does not reach mpirun.
    setsid "${command[@]}" "${overrides[@]}" >"$logs/$1" 2>&1 </dev/null &
    running[$1]=$!
    begin[$1]=$SECONDS
}
finish() { # finish NUMBER STATUS
    local run="line $1 of $file" line=${lines[$1 - 1]} status=$2
    # A process that has not yet installed its handler is killed by the signal.
    if [[ -n $stop ]] && ((status == 128 + 10)); then status=75; fi
    case $status in
        0)
            if grep -q 'nothing to do' "$logs/$1"; then
                echo "$run: already done: $line"
            else
                echo "$run: done in $((SECONDS - begin[$1])) s: $line"
            fi
            ;;
        75)
            left+=("$1")
            echo "$run: stopped, steps are left: $line"
            ;;
        *)
            failed+=("$1")
            echo "$run: failed with exit code $status: $line"
            tail -n 5 "$logs/$1" | tr '\r' '\n' | tail -n 5 | sed 's/^/    /'
            ;;
    esac
}

# wait_for_fewer_than N: waits until fewer than N lines are running.
wait_for_fewer_than() {
    local number status
    while ((${#running[@]} >= $1)); do
        for number in "${!running[@]}"; do
            if kill -0 "${running[$number]}" 2>/dev/null; then continue; fi
            status=0
            wait "${running[$number]}" || status=$?
            unset "running[$number]"
            finish "$number" "$status"
        done
        # Signal handlers run between two sleeps.
        ((${#running[@]} < $1)) || sleep 0.3 || true
    done
}

begun=0
for number in "${numbers[@]}"; do
    wait_for_fewer_than "$parallel"
    [[ -z $stop ]] || break
    start "$number"
    begun=$((begun + 1))
    # A signal that arrived in between has not been forwarded to this line.
    [[ -z $stop ]] || stop_all
done
wait_for_fewer_than 1

list() { printf '%s\n' "$@" | sort -n | paste -sd, | sed 's/,/, /g'; }
left_over=("${numbers[@]:begun}")
for index in "${!numbers[@]}"; do
    number=${numbers[index]}
    if ((index >= begun)); then
        echo "line $number of $file: not started: ${directories[index]}"
    elif [[ " ${left[*]-} " == *" $number "* ]]; then
        echo "line $number of $file: steps are left: ${directories[index]}"
    fi
done
echo "$((begun - ${#failed[@]} - ${#left[@]})) of ${#numbers[@]} lines are done" \
    "$( ((${#failed[@]} == 0)) || echo "; failed: $(list "${failed[@]}")")" \
    "$( ((${#left[@]} == 0)) || echo "; steps are left: $(list "${left[@]}")")" \
    "$( ((${#left_over[@]} == 0)) || echo "; not started: $(list "${left_over[@]}")")" | sed -E 's/ +;/;/g; s/ +$//'
if ((${#failed[@]} > 0)); then exit 1; fi
if ((${#left[@]} > 0 || ${#left_over[@]} > 0)); then exit 75; fi
