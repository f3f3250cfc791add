#!/usr/bin/env bash
# From a fresh clone to a trained model in a few minutes: installs missing libraries, builds kaon, pre-trains a small
# model on two ranks for about a minute, and resumes it for twenty more steps.
set -euo pipefail
# shellcheck source=scripts/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
refuse_arguments "$@"
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash scripts/setup.sh
# shellcheck source=scripts/mpi-environment.sh
source scripts/mpi-environment.sh
swift build -c release --product kaon
PATH="$(swift build -c release --show-bin-path):$PATH"

# Nothing is overwritten: a second quick start gets its own run directory.
run=runs/quickstart
if [[ -e $run ]]; then run+=-$(date +%Y%m%d-%H%M%S); fi

# Arguments after the file override its keys.
"${mpirun[@]}" -n 2 kaon pretrain configs/quickstart.yaml run.directory="$run"

# The same command continues the run from its last checkpoint (run.resume: auto), here for 20 steps more than in the
# run's config.yaml.
steps=$(awk '/^[^ ]/ { section = $1 } section == "training:" && $1 == "steps:" { print $2 }' "$run/config.yaml")
"${mpirun[@]}" -n 2 kaon pretrain configs/quickstart.yaml run.directory="$run" training.steps=$((steps + 20))

cat <<END

Losses by step:                   $run/metrics.csv
Complete configuration:           $run/config.yaml
Checkpoints, readable with h5py:  $run/checkpoints (show one with: kaon inspect FILE)
END
