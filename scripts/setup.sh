#!/usr/bin/env bash
# Prepares the machine for building kaon: finds Open MPI, OpenBLAS and parallel HDF5, installs them with apt-get or dnf
# if they are missing, and checks the version of Swift. Safe to run again at any time.
#
#     bash scripts/setup.sh                                             # Debian, Ubuntu, Fedora, RHEL
#     module load openmpi hdf5 openblas && bash scripts/setup.sh        # a cluster
#     spack load openmpi hdf5+mpi openblas && bash scripts/setup.sh     # Spack; installed packages are also found
#
# Libraries in unusual places are found through PKG_CONFIG_PATH, mpicc and h5pcc in PATH, HDF5_ROOT and OPENBLAS_ROOT.
# The paths that they need are then in .build/environment.sh, which the other scripts use.
set -euo pipefail
# shellcheck source=scripts/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
refuse_arguments "$@"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/packages.sh
source scripts/packages.sh
# shellcheck source=scripts/libraries.sh
source scripts/libraries.sh

debian_packages=(libopenmpi-dev openmpi-bin libopenblas-dev libhdf5-openmpi-dev pkg-config)
fedora_packages=(openmpi-devel openblas-devel hdf5-openmpi-devel pkgconf-pkg-config)
swift_needed=6.1
swift_source=https://www.swift.org/install/linux/

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

check_swift() {
    command -v swift >/dev/null ||
        fail "swift is not in PATH; get Swift $swift_needed or newer from $swift_source"
    local version
    version=$(swift --version 2>/dev/null | sed -nE 's/.*Swift version ([0-9]+\.[0-9]+).*/\1/p' | head -n 1)
    [[ -n $version ]] || fail "'swift --version' fails; the installation may be incomplete"
    # sort -V puts the older version first.
    [[ $(printf '%s\n' "$swift_needed" "$version" | sort -V | head -n 1) == "$swift_needed" ]] ||
        fail "Swift $version is too old; get $swift_needed or newer from $swift_source"
}

# report_missing HOW: fails with what is missing.
report_missing() {
    local text
    text=$(printf '%s; ' "${missing[@]}")
    if [[ -n $serial_hdf5 ]]; then text+="the HDF5 in $serial_hdf5 was built without MPI; "; fi
    fail "not found: $text$1"
}

check_swift
forget_environment
find_libraries
if ((${#missing[@]} > 0)); then
    if command -v apt-get >/dev/null; then
        install_packages "${debian_packages[@]}"
        find_libraries
        how="the packages are installed; check whether another pkg-config or mpirun comes first in PATH"
    elif command -v dnf >/dev/null; then
        install_packages "${fedora_packages[@]}"
        find_libraries
        how="the packages are installed; check whether another pkg-config or mpirun comes first in PATH"
    else
        how="load the modules of your cluster, or 'spack load openmpi hdf5+mpi openblas', or install them with the"
        how+=" package manager of your system"
    fi
    ((${#missing[@]} == 0)) || report_missing "$how"
fi
write_environment
