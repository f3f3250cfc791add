#!/usr/bin/env bash
# Runs every file of examples and checks what it writes; takes a few minutes. The last line is "N passed, N failed".
# KAON is the program (default: the release build, which is built first); its name has to be kaon.
set -euo pipefail
# shellcheck source=scripts/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
refuse_arguments "$@"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/mpi-environment.sh
source scripts/mpi-environment.sh
# shellcheck source=scripts/checks.sh
source scripts/checks.sh
# shellcheck source=scripts/python-environment.sh
source scripts/python-environment.sh

prepare
make_environment
folder=$(mktemp -d)
clean_up() { rm -rf "$folder"; }
PATH=$(dirname "$KAON"):$environment/bin:$PATH

# What each example has to write below its folder.
declare -A results=(
    [few-labels.sh]="classifiers/fine_tuned/evaluation/metrics.json classifiers/scratch/evaluation/metrics.json"
    [generate-jets.sh]="generated.h5 generated.png"
    [own-jets.py]="run/checkpoints/latest"
    [encodings.py]="test-encodings.h5"
    [read-run.py]="checkpoints/latest"
)
# What the last line of its output has to match.
declare -A lines=(
    [few-labels.sh]='(scratch|fine_tuned) +1 +0\.[0-9]+'
    [encodings.py]='accuracy of a linear probe: 0\.[2-9]'
    [read-run.py]='\(192, 64\) float32'
)

run_example() {
    local name=$1 interpreter=bash result
    if [[ $name == *.py ]]; then interpreter=python; fi
    "$interpreter" "examples/$name" "$folder/$name" >"$logs/$name.log" 2>&1 ||
        { tail -n 20 "$logs/$name.log" && return 1; }
    for result in ${results[$name]}; do
        [[ -s $folder/$name/$result ]] || { echo "$name has not written $result" && return 1; }
    done
    tail -n 3 "$logs/$name.log" | grep -qE -- "${lines[$name]:-.}" || { tail -n 3 "$logs/$name.log" && return 1; }
}

for example in examples/*.sh examples/*.py; do
    name=$(basename "$example")
    [[ -n ${results[$name]:-} ]] || fail "$example has no line in this script"
    grep -qF "($name)" examples/README.md || fail "$example has no line in examples/README.md"
    check "$name" run_example "$name"
done
