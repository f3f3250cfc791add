# shellcheck shell=bash
# MPI settings for the other scripts. Source it:
#
#     source "$(dirname "${BASH_SOURCE[0]}")/mpi-environment.sh"
#     "${mpirun[@]}" -n 2 kaon pretrain configs/quickstart.yaml

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    # shellcheck source=scripts/help.sh
    source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
    print_comment "$0"
    exit
fi

# Paths of libraries that setup.sh has found outside the folders of the system.
if [[ -e $(dirname "${BASH_SOURCE[0]}")/../.build/environment.sh ]]; then
    # shellcheck source=/dev/null
    source "$(dirname "${BASH_SOURCE[0]}")/../.build/environment.sh"
fi

# Open MPI runs as root only if both variables are set. In containers root is often the only user.
if ((EUID == 0)); then
    export OMPI_ALLOW_RUN_AS_ROOT=1
    export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

# By default, ranks on one machine copy each other's memory directly. Containers often forbid that, and Open MPI then
# warns for every message. Shared memory is as fast here.
export OMPI_MCA_btl_vader_single_copy_mechanism="${OMPI_MCA_btl_vader_single_copy_mechanism:-none}"

# One BLAS thread per rank; the default is one per core in every rank.
export OPENBLAS_NUM_THREADS=1

# Allow more ranks than cores.
# shellcheck disable=SC2034  # used by the sourcing script
mpirun=(mpirun --oversubscribe)
