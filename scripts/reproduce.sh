#!/usr/bin/env bash
# Reproduces the tables and figures of the thesis: trains all models that they need, and writes results.md and figures.
#
#     bash scripts/reproduce.sh data=FOLDER --plan
#     bash scripts/reproduce.sh data=FOLDER
#     bash scripts/reproduce.sh data=FOLDER only=table-1.1,1.9a runs=runs/book
#
# Finished runs are skipped and stopped runs continue: ^C stops all runs after the current step, with a checkpoint, and
# the same command continues. A failing run leaves the others going and is named at the end. Exit code: 0 if all runs
# are finished, 1 if one failed, 75 if steps are left, 2 for a wrong command.
#
#     data=FOLDER     train.h5, val.h5, test.h5 (JetClass) and btag_train.h5, btag_valid.h5, btag_test.h5, or folders
#                     train, val, test, btag/train, btag/val, btag/test
#     runs=FOLDER     parent folder of the runs (default runs/book)
#     only=ROW,…      some rows: table-1.1, figure-1.2, …; 1.3 is Table 1.3 and Figure 1.3 (default: all rows)
#     scale=NAME      small (default): models for two cores; paper: the configurations of the paper
#     parallel=N      runs at the same time (default 2)
#     threads=N       threads of each run (default 1)
#     output=FOLDER   folder of results.md and figures/results (default: that of the runs)
#     --plan          prints the runs, their steps and the expected hours, and runs nothing
#     --page          writes the page from the finished runs, and runs nothing
#     --slurm         submits the runs as job arrays to Slurm, stage by stage
#
# Set KAON to use another program than .build/release/kaon, and PYTHON for the Python with the packages of
# pip install './python[plots]'.
set -euo pipefail
# shellcheck source=scripts/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/mpi-environment.sh
source "$root/scripts/mpi-environment.sh"

if [[ -z ${PYTHON:-} ]]; then
    PYTHON=$root/.build/python/bin/python
    [[ -x $PYTHON ]] || PYTHON=python3
fi
"$PYTHON" -c 'import awkward, h5py, matplotlib, mplhep, yaml' 2>/dev/null || {
    echo "reproduce: $PYTHON lacks packages; run: pip install './python[plots]', or set PYTHON" >&2
    exit 2
}
PYTHONPATH=$root/python${PYTHONPATH:+:$PYTHONPATH} exec "$PYTHON" -m kaon_book "$@"
