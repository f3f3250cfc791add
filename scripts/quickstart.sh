#!/usr/bin/env bash
# From a fresh clone to a trained model in a few minutes: installs what is missing, builds kaon, pre-trains a
# small model on two ranks for about a minute, and resumes it for twenty more steps.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/mpi-environment.sh
source scripts/mpi-environment.sh

bash scripts/setup.sh
swift build -c release --product kaon
PATH="$(swift build -c release --show-bin-path):$PATH"

# Nothing is overwritten: a second quick start has a run directory of its own.
run=runs/quickstart
if [[ -e $run ]]; then run+=-$(date +%Y%m%d-%H%M%S); fi

# Every argument after the file is an override of one of its keys.
"${mpirun[@]}" -n 2 kaon pretrain configs/quickstart.yaml run.directory="$run"

# The same command continues a run from its last checkpoint (run.resume: auto), here with more steps to go
# than the run's complete configuration says.
steps=$(awk '/^[^ ]/ { section = $1 } section == "training:" && $1 == "steps:" { print $2 }' "$run/config.yaml")
"${mpirun[@]}" -n 2 kaon pretrain configs/quickstart.yaml run.directory="$run" training.steps=$((steps + 20))

cat <<END

The losses, step by step:         $run/metrics.csv
The complete configuration:       $run/config.yaml
The model, readable with h5py:    $run/checkpoints (look inside with: kaon inspect FILE)
END
