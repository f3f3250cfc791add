# shellcheck shell=bash
# Shared by the test scripts: counted checks, and cleaning up at exit. Source it from the root of the repository; the
# script may define `clean_up` afterwards:
#
#     source "$(dirname "${BASH_SOURCE[0]}")/checks.sh"
#
# The last line of output of such a script is always "N passed, N failed".

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    # shellcheck source=scripts/help.sh
    source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
    print_comment "$0"
    exit
fi

passed=0
failed=0
# shellcheck disable=SC2034  # used by the sourcing script
logs=$PWD/.build/test-logs/$(basename "$0" .sh | sed 's/^test-//')

fail() {
    printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2
    exit 1
}

clean_up() { :; }

# EXIT handler: prints the totals. An early exit with an error counts as a failure.
conclude() {
    local status=$?
    trap '' INT TERM
    set +e
    clean_up
    if ((status != 0 && failed == 0)); then failed=1; fi
    echo "$passed passed, $failed failed"
    ((failed == 0)) || exit 1
}
trap conclude EXIT
trap 'exit 130' INT TERM

# check TEXT COMMAND…: runs the command and counts it as passed or failed.
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

# within SECONDS COMMAND…: retries the command until it succeeds; fails after that many seconds.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < end)) || return 1
        sleep 0.2
    done
}

# prepare: empties the log folder and sets KAON to the program, building it if KAON is not set.
prepare() {
    if [[ -z ${KAON:-} ]]; then
        swift build -c release --product kaon || fail "kaon does not build"
        KAON=$(swift build -c release --show-bin-path)/kaon
    fi
    KAON=$(realpath "$KAON")
    export KAON
    rm -rf "$logs"
    mkdir -p "$logs"
}

# without_clock DIRECTORY: prints metrics.csv without the columns that depend on time.
without_clock() {
    awk -F, '
        NR == 1 { for (i = 1; i <= NF; i++) if ($i == "jets_per_second" || $i == "data_wait_ms") clock[i] = 1 }
        { line = ""; for (i = 1; i <= NF; i++) if (!(i in clock)) line = line $i ","; print line }' "$1/metrics.csv"
}

# step_reached STEP DIRECTORY: succeeds if metrics.csv has a row for that step or a later one.
step_reached() {
    awk -F, -v step="$1" 'NR > 1 && $1 + 0 >= step { found = 1 } END { exit !found }' "$2/metrics.csv" 2>/dev/null
}
