#!/usr/bin/env bash
# Gives kaon and its tools unusual and broken inputs: files of jets, classes, configurations and weights, which
# scripts/cases makes from a sample. Prints a table: case, exit code, and the sentence of a refusal or a warning. Every
# case has to be accepted or refused as expected, in one sentence, before a run has trained, and without a crash. The
# last line is "N passed, N failed".
#
#     bash scripts/test-cases.sh                    # about 210 cases
#     bash scripts/test-cases.sh --short            # some of each kind
#     bash scripts/test-cases.sh --only virtual     # cases whose name contains this text
#
# Set KAON to test another program than .build/release/kaon.
set -euo pipefail
# shellcheck source=scripts/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/checks.sh
source scripts/checks.sh
# shellcheck source=scripts/python-environment.sh
source scripts/python-environment.sh
# shellcheck source=scripts/mpi-environment.sh
source scripts/mpi-environment.sh

prepare
make_environment
status=0
"$environment/bin/python" scripts/cases/run.py "$KAON" Tests/Fixtures/jets/val.h5 "$@" >"$logs/table.txt" 2>&1 ||
    status=$?
cat "$logs/table.txt"
[[ $(tail -n 1 "$logs/table.txt") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]] || fail "ended with exit code $status"
passed=${BASH_REMATCH[1]} failed=${BASH_REMATCH[2]}
