#!/usr/bin/env bash
# Builds everything and runs every test: all of them in one process, then those that need company (the
# suites named …MPITests) on two and on three ranks, those of the Python tools, and the short form of the
# fault tests. The last line is "N passed, N failed"; a run that crashes, hangs or runs no test is a failure.
# Logs stay in .build/test-logs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/mpi-environment.sh
source scripts/mpi-environment.sh
# shellcheck source=scripts/checks.sh
source scripts/checks.sh

logs=$PWD/.build/test-logs
# Seconds after which a run counts as hung: a rank that waits for a message would wait for ever.
limit=${KAON_TEST_TIMEOUT:-1800}

# A crash is told in a few lines: the top of the stack that crashed.
export SWIFT_BACKTRACE=threads=crashed,limit=12,top=0,registers=none,images=none,interactive=no,color=no

# How often a pattern stands in a log, however much a test prints on the same line.
occurrences() {
    { grep -oE "$2" "$1" || true; } | wc -l
}

# count NAME STATUS LOG [LOG…]: adds the tests of the first log (rank 0 under mpirun) to the totals, and
# shows what explains a failure. Every test that the closing line counts must have ended, or the run broke.
count() {
    local name=$1 status=$2 log=$3 good bad skipped promised broken=""
    shift 2
    touch "$@"
    # A test ends with one line; "Test run with" and the lines of single arguments are not tests.
    good=$(occurrences <(tests "$log") '(✔|━) Test .+ passed after [0-9.]+ seconds')
    bad=$(occurrences <(tests "$log") '✘ Test .+ failed after [0-9.]+ seconds')
    skipped=$(occurrences <(tests "$log") '➜ Test .+ skipped')
    promised=$(sed -nE 's/.*Test run with ([0-9]+) tests? .*/\1/p' "$log" | tail -n 1)

    if ((status == 124 || status == 137)); then
        broken="no end after $limit seconds"
    elif [[ -z $promised ]]; then
        broken="broke off with exit code $status"
    elif ((good + bad == 0)); then
        broken="ran no test"
    elif ((good + bad + skipped != promised)); then
        broken="ran $promised tests, but only $((good + bad + skipped)) told how they ended"
    elif ((status != 0 && bad == 0)); then
        broken="exit code $status, though these tests passed; did another rank fail?"
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

# The lines of a log that speak of tests, not of the whole run or of single arguments of a test.
tests() {
    grep -vE 'Test (run with|case passing)' "$1" || true
}

# The issues in each log with their details, and the end of a log that broke off.
show() {
    local log
    for log in "$@"; do
        if ! grep -qF 'Test run with' "$log"; then
            echo "--- the end of ${log#"$PWD"/}"
            tail -n 40 "$log"
        elif grep -qF 'recorded an issue' "$log"; then
            echo "--- from ${log#"$PWD"/}"
            # An issue may go on for some lines; the lines of other tests between them tell nothing.
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

# The products of bfloat16 numbers that this processor would not choose: those without tiles.
run_vectors() {
    grep -qw amx_bf16 /proc/cpuinfo 2>/dev/null || return 0
    local status=0
    KAON_BF16_PRODUCTS=vectors timeout --kill-after=30 "$limit" "$bundle" --testing-library swift-testing \
        --filter NarrowProductTests --filter Golden --filter NormformerTests >"$logs/vectors.log" 2>&1 </dev/null ||
        status=$?
    count "bfloat16 without tiles" "$status" "$logs/vectors.log"
}

# What each rank runs: it writes a log of its own, so that their lines do not mix. mpirun ends the others as
# soon as one fails, so a rank that failed waits a little, for the others to tell how their tests went.
# shellcheck disable=SC2016  # the variables are for the shell of the rank
rank_command='"$@" >"$0/rank-$OMPI_COMM_WORLD_RANK.log" 2>&1 || { status=$?; sleep 10; exit "$status"; }'

# run_ranks N: runs the MPI suites on N ranks.
run_ranks() {
    local ranks=$1 status=0 directory=$logs/ranks-$1 rank_logs=() rank
    mkdir -p "$directory"
    for ((rank = 0; rank < ranks; rank++)); do rank_logs+=("$directory/rank-$rank.log"); done
    timeout --kill-after=30 "$limit" "${mpirun[@]}" -n "$ranks" \
        bash -c "$rank_command" "$directory" "$bundle" --testing-library swift-testing --filter MPITests --no-parallel \
        >"$directory/mpirun.log" 2>&1 </dev/null || status=$?
    # What mpirun itself has to say matters only when something went wrong.
    ((status == 0)) || cat "$directory/mpirun.log"
    count "$ranks ranks" "$status" "${rank_logs[@]}"
}

# run_script NAME SCRIPT [ARGUMENT…]: tests that count themselves, with "N passed, N failed" as their last line.
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
        echo "$name: broke off"
    fi
    [[ $line == *" 0 failed" ]] || tail -n 60 "$log"
}

bash scripts/setup.sh
swift build -c release --build-tests
bundle=$(echo "$(swift build -c release --show-bin-path)"/*PackageTests.xctest)
rm -rf "$logs"
mkdir -p "$logs"

run_alone
run_vectors
run_ranks 2
run_ranks 3
run_script "Python tools" scripts/test-python.sh
run_script "faults" scripts/test-faults.sh --short
