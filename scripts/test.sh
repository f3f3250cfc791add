#!/usr/bin/env bash
# Builds everything and runs every test: all suites in one process, then the suites named …MPITests on two and on three
# ranks, then the tests of the Python tools and the short forms of the fault tests and of the unusual inputs. The last
# line is "N passed, N failed"; a run that crashes, hangs or runs no test counts as a failure. Logs are kept in
# .build/test-logs.
set -euo pipefail
# shellcheck source=scripts/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
refuse_arguments "$@"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/checks.sh
source scripts/checks.sh

logs=$PWD/.build/test-logs
# Seconds after which a run counts as hung: a rank that waits for a message that never comes does not end by itself.
limit=${KAON_TEST_TIMEOUT:-1800}

# Shorten backtraces to the top of the stack of the crashed thread.
export SWIFT_BACKTRACE=threads=crashed,limit=12,top=0,registers=none,images=none,interactive=no,color=no

# occurrences FILE PATTERN: counts matches of the pattern, also several on one line.
occurrences() {
    { grep -oE "$2" "$1" || true; } | wc -l
}

# count NAME STATUS LOG [LOG…]: adds the tests of the first log (rank 0 under mpirun) to the totals, and shows the
# issues from all logs if there was a failure. Every test counted in the log's closing line must have ended.
count() {
    local name=$1 status=$2 log=$3 good bad skipped expected broken=""
    shift 2
    touch "$@"
    # Each test ends with one such line; tests() removes "Test run with" and the lines of single arguments.
    good=$(occurrences <(tests "$log") '(✔|━) Test .+ passed after [0-9.]+ seconds')
    bad=$(occurrences <(tests "$log") '✘ Test .+ failed after [0-9.]+ seconds')
    skipped=$(occurrences <(tests "$log") '➜ Test .+ skipped')
    expected=$(sed -nE 's/.*Test run with ([0-9]+) tests? .*/\1/p' "$log" | tail -n 1)

    if ((status == 124 || status == 137)); then
        broken="did not finish within $limit seconds"
    elif [[ -z $expected ]]; then
        broken="ended early with exit code $status"
    elif ((good + bad == 0)); then
        broken="ran no test"
    elif ((good + bad + skipped != expected)); then
        broken="ran $expected tests, but only $((good + bad + skipped)) reported a result"
    elif ((status != 0 && bad == 0)); then
        broken="exit code $status although all tests of rank 0 passed; another rank may have failed"
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    echo "$name: $good passed, $bad failed, $skipped skipped"
    if ((bad > 0)) || [[ -n $broken ]]; then show "$@"; fi
    if [[ -n $broken ]]; then
        failed=$((failed + 1))
        echo "$name: $broken"
    fi
}

# tests LOG: the lines of the log about tests, without those about the whole run or about single arguments of a test.
tests() {
    grep -vE 'Test (run with|case passing)' "$1" || true
}

# show LOG…: prints the recorded issues of each log, or the last lines of a log that is incomplete.
show() {
    local log
    for log in "$@"; do
        if ! grep -qF 'Test run with' "$log"; then
            echo "--- the end of ${log#"$PWD"/}"
            tail -n 40 "$log"
        elif grep -qF 'recorded an issue' "$log"; then
            echo "--- from ${log#"$PWD"/}"
            # An issue may span several lines; lines of other tests between them are removed.
            { grep -A 12 'recorded an issue' "$log" |
                grep -vE '^(◇|✔|━|--$)|(failed|passed) after [0-9.]+ seconds' | head -n 100; } || true
        fi
    done
}

# Runs all tests in one process.
run_alone() {
    local status=0
    timeout --kill-after=30 "$limit" swift test -c release --skip-build --disable-xctest \
        >"$logs/alone.log" 2>&1 </dev/null || status=$?
    count "one process" "$status" "$logs/alone.log"
}

# Repeats the tests of bfloat16 products without AMX tiles, on processors that would use tiles by default.
run_vectors() {
    grep -qw amx_bf16 /proc/cpuinfo 2>/dev/null || return 0
    local status=0
    KAON_BF16_PRODUCTS=vectors timeout --kill-after=30 "$limit" "$bundle" --testing-library swift-testing \
        --filter BFloat16ProductTests --filter WeightLayoutTests --filter Golden --filter NormformerTests \
        >"$logs/vectors.log" 2>&1 </dev/null || status=$?
    count "bfloat16 without tiles" "$status" "$logs/vectors.log"
}

# The command of each rank. Each rank writes its own log, so that lines do not interleave. mpirun kills the other ranks
# as soon as one fails, so a failing rank waits for them to report their results.
# shellcheck disable=SC2016  # the variables are expanded by the shell of the rank
rank_command='"$@" >"$0/rank-$OMPI_COMM_WORLD_RANK.log" 2>&1 || { status=$?; sleep 10; exit "$status"; }'

# run_ranks N: runs the MPI suites on N ranks.
run_ranks() {
    local ranks=$1 status=0 directory=$logs/ranks-$1 rank_logs=() rank
    mkdir -p "$directory"
    for ((rank = 0; rank < ranks; rank++)); do rank_logs+=("$directory/rank-$rank.log"); done
    timeout --kill-after=30 "$limit" "${mpirun[@]}" -n "$ranks" \
        bash -c "$rank_command" "$directory" "$bundle" --testing-library swift-testing --filter MPITests --no-parallel \
        >"$directory/mpirun.log" 2>&1 </dev/null || status=$?
    # The output of mpirun itself matters only after a failure.
    ((status == 0)) || cat "$directory/mpirun.log"
    count "$ranks ranks" "$status" "${rank_logs[@]}"
}

# run_script NAME SCRIPT [ARGUMENT…]: runs a script whose last line is "N passed, N failed" and adds its counts.
run_script() {
    local name=$1 line log
    shift
    log=$logs/$(basename "$1" .sh).log
    line=$(timeout --kill-after=30 "$limit" bash "$@" 2>&1 </dev/null | tee "$log" | tail -n 1) || true
    if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1]))
        failed=$((failed + BASH_REMATCH[2]))
        echo "$name: $line"
    else
        failed=$((failed + 1))
        echo "$name: ended early"
    fi
    [[ $line == *" 0 failed" ]] || tail -n 60 "$log"
}

bash scripts/setup.sh
# shellcheck source=scripts/mpi-environment.sh
source scripts/mpi-environment.sh
swift build -c release --build-tests --explicit-target-dependency-import-check error
bundle=$(echo "$(swift build -c release --show-bin-path)"/*PackageTests.xctest)
rm -rf "$logs"
mkdir -p "$logs"

run_script "lint" scripts/lint.sh
run_script "setup" scripts/test-setup.sh
run_alone
run_vectors
run_ranks 2
run_ranks 3
run_script "archives" scripts/test-package.sh
run_script "documented commands" scripts/test-commands.sh
run_script "Python tools" scripts/test-python.sh
run_script "faults" scripts/test-faults.sh --short
run_script "cases" scripts/test-cases.sh --short
