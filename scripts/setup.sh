#!/usr/bin/env bash
# Prepares the machine for building kaon: installs Open MPI, OpenBLAS and parallel HDF5 from the distribution if they
# are missing, and checks the version of Swift. Safe to run again at any time.
set -euo pipefail
# shellcheck source=scripts/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
refuse_arguments "$@"
# shellcheck source=scripts/packages.sh
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

packages=(libopenmpi-dev openmpi-bin libopenblas-dev libhdf5-openmpi-dev pkg-config)
check="pkg-config --exists ompi-c openblas hdf5-openmpi"
swift_needed=6.1
swift_source=https://www.swift.org/install/linux/

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# Checks for the libraries, not the packages: on a cluster they may be installed in other ways.
libraries_present() {
    command -v mpirun >/dev/null && command -v pkg-config >/dev/null && $check
}

install_libraries() {
    command -v apt-get >/dev/null ||
        fail "apt-get not found; install Open MPI, OpenBLAS and HDF5 built with Open MPI with your system's package" \
            "manager, so that mpirun is in PATH and '$check' succeeds"
    install_packages "${packages[@]}"
    libraries_present ||
        fail "the packages are installed, but mpirun is not in PATH or '$check' fails;" \
            "check whether another pkg-config comes first in PATH"
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

check_swift
libraries_present || install_libraries
