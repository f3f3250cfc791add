# shellcheck shell=bash
# What the other scripts must know about MPI, in one place. To be sourced, not run:
#
#     source "$(dirname "${BASH_SOURCE[0]}")/mpi-environment.sh"
#     "${mpirun[@]}" -n 2 kaon pretrain configs/quickstart.yaml

# Open MPI refuses to run as root unless told twice. In a container root is all there is.
if ((EUID == 0)); then
    export OMPI_ALLOW_RUN_AS_ROOT=1
    export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

# Ranks on one machine copy each other's memory directly, which containers often forbid, with a warning for
# every message. Shared memory does as well here.
export OMPI_MCA_btl_vader_single_copy_mechanism="${OMPI_MCA_btl_vader_single_copy_mechanism:-none}"

# One thread a rank, or every rank would start as many as there are cores.
export OPENBLAS_NUM_THREADS=1

# The machine at hand may have fewer cores than ranks are wanted.
# shellcheck disable=SC2034  # for those who source this file
mpirun=(mpirun --oversubscribe)
