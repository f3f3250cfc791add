#!/usr/bin/env bash
# Runs the tests of the Python tools in the virtual environment .build/python, which is created again only when the
# requirements change. The last line is "N passed, N failed"; an early exit counts as a failure.
set -euo pipefail
# shellcheck source=scripts/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
refuse_arguments "$@"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/checks.sh
source scripts/checks.sh
# shellcheck source=scripts/python-environment.sh
source scripts/python-environment.sh

log=$PWD/.build/test-logs/python.log

# number WORD: the count before that word in the closing line of pytest.
number() {
    { tail -n 1 "$log" | grep -oE "[0-9]+ $1" || echo 0; } | grep -oE '^[0-9]+' | head -n 1
}

mkdir -p "$(dirname "$log")"
make_environment
status=0
(cd python && timeout --kill-after=30 "${KAON_TEST_TIMEOUT:-1800}" \
    "$environment/bin/python" -m pytest -q -rfs -p no:cacheprovider) >"$log" 2>&1 </dev/null || status=$?
passed=$(number passed)
failed=$(($(number failed) + $(number errors?)))
if ((status != 0)); then
    tail -n 100 "$log"
    if ((failed == 0)); then fail "pytest ended with exit code $status"; fi
fi
grep '^SKIPPED' "$log" || true
((passed > 0)) || fail "ran no test"
