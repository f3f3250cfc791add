#!/usr/bin/env bash
# Runs a command of kaon once for each line of a text file, with the overrides of that line, on this machine:
#
#     bash scripts/sweep.sh [--parallel N] [--ranks N] FILE COMMAND CONFIG [key=value …]
#
# where FILE has lines such as those of scripts/sweep-lines.sh, each with a run.directory of its own:
#
#     run.directory=runs/rate-1e-3 optimizer.learning_rate=1e-3
#     run.directory=runs/rate-3e-4 optimizer.learning_rate=3e-4
#
#     --parallel N   lines that run at the same time (1); they share the cores, unless parallel.threads is given
#     --ranks N      ranks of each (1), under mpirun
#
# A line that fails is named and does not stop the others. SIGINT and SIGTERM stop the lines that run after their
# step, with a checkpoint; the last lines name those that have steps left or were not begun, and their folders. The
# same command goes on where a sweep was stopped, and does what failed once more: a run that is finished says so and
# takes some seconds. The output of a line that failed is shown, and what kaon prints is in kaon.log of every run. The
# exit code is 0 when all lines are done, 1 when one failed, 75 when steps are left. KAON names another program than
# .build/release/kaon or the kaon in PATH.
set -euo pipefail
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
            # The lines of the comment above.
            sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "${BASH_SOURCE[0]}"
            exit
            ;;
        --parallel | --ranks)
            [[ ${2:-} =~ ^[1-9][0-9]{0,3}$ ]] || fail "$1 needs a number from 1; $usage"
            if [[ $1 == --parallel ]]; then parallel=$2; else ranks=$2; fi
            shift 2
            ;;
        *) fail "unknown option $1; $usage" ;;
    esac
done
(($# >= 3)) || fail "$usage"
file=$1
shift
[[ -f $file && -r $file ]] || fail "$file is no file that can be read; scripts/sweep-lines.sh prints one"
[[ $1 == pretrain || $1 == finetune ]] || fail "the command is '$1'; it can be pretrain or finetune"
[[ $2 != *=* && -f $2 ]] || fail "$2 is no configuration; $usage"

if [[ -z ${KAON:-} ]]; then
    KAON=$here/../.build/release/kaon
    [[ -x $KAON ]] || KAON=kaon
fi
command -v "$KAON" >/dev/null ||
    fail "there is no $KAON; build it with: swift build -c release --product kaon, or name it in KAON"

# What each line says, before anything starts: two runs in one folder would spoil both.
numbers=() directories=()
mapfile -t lines <"$file"
for index in "${!lines[@]}"; do
    [[ -n ${lines[index]//[[:space:]]/} ]] || continue
    number=$((index + 1))
    # xargs takes a line apart as a shell would, quotes included, and runs nothing of it.
    words=$(xargs -n 1 printf '%s\n' <<<"${lines[index]}" 2>/dev/null) ||
        fail "line $number of $file has a quote without its other half"
    directory=$(sed -n 's/^run\.directory=//p' <<<"$words" | tail -n 1)
    [[ -n $directory ]] ||
        fail "line $number of $file has no run.directory=…; each run needs a folder of its own"
    for other in "${!directories[@]}"; do
        if [[ ${directories[other]} == "$directory" ]]; then
            fail "lines ${numbers[other]} and $number of $file have the same run.directory=$directory"
        fi
    done
    numbers+=("$number")
    directories+=("$directory")
done
((${#numbers[@]} > 0)) || fail "$file has no line"

command=("$KAON" "$@")
if ((ranks > 1)); then
    # shellcheck source=scripts/mpi-environment.sh
    source "$here/mpi-environment.sh"
    command -v mpirun >/dev/null || fail "--ranks $ranks needs mpirun, which is not in PATH"
    # Several at a time would all be bound to the first cores.
    ((parallel == 1)) || mpirun+=(--bind-to none)
    command=("${mpirun[@]}" -n "$ranks" "${command[@]}")
fi
if ((parallel > 1)) && [[ " $* " != *" parallel.threads="* ]]; then
    threads=$(($(nproc) / (parallel * ranks)))
    command+=("parallel.threads=$((threads > 0 ? threads : 1))")
fi

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
declare -A running=() begin=() # the process of each line that runs, and when it began
failed=() left=() stop=""

# kaon and mpirun both pass SIGUSR1 on to all ranks, which stop after their step; mpirun would give them too
# little time after another signal.
stop_all() {
    stop=yes
    echo "sweep: stopping after the step; the same command goes on"
    local number
    for number in "${!running[@]}"; do kill -USR1 "${running[$number]}" 2>/dev/null || true; done
}
trap stop_all INT TERM HUP

start() { # start NUMBER
    local overrides
    mapfile -t overrides < <(xargs -n 1 printf '%s\n' <<<"${lines[$1 - 1]}")
    # A session of its own, so that a ^C at the terminal does not reach mpirun.
    setsid "${command[@]}" "${overrides[@]}" >"$logs/$1" 2>&1 </dev/null &
    running[$1]=$!
    begin[$1]=$SECONDS
}
finish() { # finish NUMBER STATUS
    local run="line $1 of $file" line=${lines[$1 - 1]} status=$2
    # A process that had not begun to listen dies of the signal.
    if [[ -n $stop ]] && ((status == 128 + 10)); then status=75; fi
    case $status in
        0)
            if grep -q 'nothing to do' "$logs/$1"; then
                echo "$run: was done before: $line"
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

# Waits until fewer than so many lines run.
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
        # A signal is heard between two sleeps.
        ((${#running[@]} < $1)) || sleep 0.3 || true
    done
}

begun=0
for number in "${numbers[@]}"; do
    wait_for_fewer_than "$parallel"
    [[ -z $stop ]] || break
    start "$number"
    begun=$((begun + 1))
    # A signal that came in between has not reached this one.
    [[ -z $stop ]] || stop_all
done
wait_for_fewer_than 1

list() { printf '%s\n' "$@" | sort -n | paste -sd, | sed 's/,/, /g'; }
left_over=("${numbers[@]:begun}")
for index in "${!numbers[@]}"; do
    number=${numbers[index]}
    if ((index >= begun)); then
        echo "line $number of $file: not begun: ${directories[index]}"
    elif [[ " ${left[*]-} " == *" $number "* ]]; then
        echo "line $number of $file: steps are left: ${directories[index]}"
    fi
done
echo "$((begun - ${#failed[@]} - ${#left[@]})) of ${#numbers[@]} lines are done" \
    "$( ((${#failed[@]} == 0)) || echo "; failed: $(list "${failed[@]}")")" \
    "$( ((${#left[@]} == 0)) || echo "; steps are left: $(list "${left[@]}")")" \
    "$( ((${#left_over[@]} == 0)) || echo "; not begun: $(list "${left_over[@]}")")" | sed -E 's/ +;/;/g; s/ +$//'
if ((${#failed[@]} > 0)); then exit 1; fi
if ((${#left[@]} > 0 || ${#left_over[@]} > 0)); then exit 75; fi
