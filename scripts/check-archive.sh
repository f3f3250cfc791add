#!/usr/bin/env bash
# Checks that kaon from an archive of scripts/package.sh runs on this machine: in the folder of the archive,
# `bash scripts/check-archive.sh` names each thing that is missing and how to get it. The exit code is then 1.
set -euo pipefail
# shellcheck source=scripts/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
refuse_arguments "$@"
program=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")/bin/kaon
missing=0

# report TEXT…: prints what is missing.
report() {
    missing=$((missing + 1))
    printf 'missing: %s\n' "$*" >&2
}

[[ -x $program ]] || { report "$program; unpack an archive of scripts/package.sh and run its check" && exit 1; }

mpi_prefix=""
if command -v mpirun >/dev/null; then
    mpi_prefix=$(dirname "$(dirname "$(realpath "$(command -v mpirun)")")")
fi

check_processor() {
    local built
    # Byte 19 of an ELF file is the processor: 3e is x86_64, b7 aarch64.
    case $(od -An -t x1 -j 18 -N 1 "$program" | tr -d ' ') in
        3e) built=x86_64 ;;
        b7) built=aarch64 ;;
        *) return 0 ;;
    esac
    [[ $(uname -m) == "$built" ]] ||
        report "a processor of kind $built; this one is $(uname -m): take the archive for $(uname -m)"
}

# report_library NAME: says how to get the library.
report_library() {
    local place
    case $1 in
        libmpi.so*)
            # The loader does not search next to mpirun.
            place=$(find "$mpi_prefix/lib" "$mpi_prefix/lib64" -maxdepth 2 -name "$1" 2>/dev/null | head -n 1) || true
            if [[ -n $mpi_prefix && -n $place ]]; then
                report "$1 in the search path of libraries; run: export LD_LIBRARY_PATH=$(dirname "$place")"
            else
                report "$1, the library of Open MPI 4 or 5; load its module on a cluster, or install it:" \
                    "apt-get install openmpi-bin (Debian, Ubuntu), dnf install openmpi (Fedora; then module load" \
                    "mpi/openmpi-$(uname -m))"
            fi
            ;;
        libstdc++.so* | libgcc_s.so* | libz.so*)
            report "$1; install it: apt-get install libstdc++6 libgcc-s1 zlib1g (Debian, Ubuntu)," \
                "dnf install libstdc++ libgcc zlib (Fedora)"
            ;;
        *) report "$1; install the package of your system that contains it, or set LD_LIBRARY_PATH to its folder" ;;
    esac
}

check_libraries() {
    local lines line
    lines=$(LC_ALL=C ldd "$program" 2>&1) || true
    while read -r line; do
        if [[ $line =~ ^([^ ]+)\ =\>\ not\ found ]]; then
            report_library "${BASH_REMATCH[1]}"
        elif [[ $line =~ version\ .?((GLIBC|GLIBCXX|CXXABI)_[0-9.]+).?\ not\ found ]]; then
            report "${BASH_REMATCH[1]}; the C or C++ library of this system is older than that of the system on which" \
                "the archive was made: make one here, or on a system as old, with scripts/package.sh"
        fi
    done < <(sort -u <<<"$lines")
    if ((missing == 0)) && ! grep -q 'libc\.so' <<<"$lines"; then
        report "the GNU C library, for which the archive was made: ${lines%%$'\n'*}"
    fi
}

check_launcher() {
    local version
    if ! command -v mpirun >/dev/null; then
        command -v srun >/dev/null ||
            echo "note: neither mpirun nor srun is in PATH; kaon runs as a single process only"
        return 0
    fi
    version=$(mpirun --version 2>/dev/null | head -n 1) || true
    [[ $version == *"(Open MPI)"* ]] ||
        report "mpirun of Open MPI; the one in PATH is '${version:-$(command -v mpirun)}':" \
            "put that of Open MPI first in PATH"
}

check_processor
check_libraries
check_launcher
if ((missing == 0)); then
    answer=$("$program" --version 2>&1) || report "a working start; $program --version prints: $answer"
fi
((missing == 0)) || exit 1
echo "kaon runs here: $program"
