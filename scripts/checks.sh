# shellcheck shell=bash
# What the scripts that test share: checks that are counted, and an end that leaves nothing. To be sourced, from the
# root of the repository, by a script that may define `clean_up` after it:
#
#     source "$(dirname "${BASH_SOURCE[0]}")/checks.sh"
#
# The last line of such a script is "N passed, N failed", however it ends.

passed=0
failed=0
# shellcheck disable=SC2034  # for those who source this file
logs=$PWD/.build/test-logs/$(basename "$0" .sh | sed 's/^test-//')

fail() {
    printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2
    exit 1
}

clean_up() { :; }

# However the script ends, whatever stopped it early counts as a failure.
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

# check TEXT COMMAND…: counts whether the command succeeds.
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

# within SECONDS COMMAND…: waits until the command succeeds.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < end)) || return 1
        sleep 0.2
    done
}

# prepare: an empty folder for the logs, and the program in KAON, which is built unless it is given.
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

# A metrics.csv without the columns that depend on the clock.
without_clock() {
    awk -F, '
        NR == 1 { for (i = 1; i <= NF; i++) if ($i == "jets_per_second" || $i == "data_wait_ms") clock[i] = 1 }
        { line = ""; for (i = 1; i <= NF; i++) if (!(i in clock)) line = line $i ","; print line }' "$1/metrics.csv"
}

# step_reached STEP DIRECTORY: whether metrics.csv has a row of that step or a later one.
step_reached() {
    awk -F, -v step="$1" 'NR > 1 && $1 + 0 >= step { found = 1 } END { exit !found }' "$2/metrics.csv" 2>/dev/null
}
