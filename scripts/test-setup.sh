#!/usr/bin/env bash
# Tests setup.sh with invented installations: pkg-config files of modules, h5pcc and mpicc, dnf with Fedora's folders,
# Spack. Needs pkg-config and the shell tools only. The last line is "N passed, N failed".
set -uo pipefail
# shellcheck source=scripts/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
refuse_arguments "$@"
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
# shellcheck source=scripts/checks.sh
source scripts/checks.sh

folder=$(mktemp -d)
clean_up() { rm -rf "$folder"; }

# Programs of the system that setup.sh uses; everything else in PATH is invented.
tools=(awk basename bash cat cut dirname env find grep head ls mkdir mktemp paste pkg-config realpath rm rmdir sed sort
    tr uname xargs)

# begin: an empty machine with a copy of the scripts, whose pkg-config sees no libraries of the system.
begin() {
    local tool
    rm -rf "${folder:?}"/*
    mkdir -p "$folder"/{bin,kaon/Sources/System,empty}
    cp -r scripts "$folder/kaon/scripts"
    cp Sources/System/Version.swift "$folder/kaon/Sources/System"
    for tool in "${tools[@]}"; do ln -s "$(type -P "$tool")" "$folder/bin/$tool"; done
    program swift 'echo "Swift version 6.3.1"'
    program sudo '"$@"'
    program ldconfig ':'
}

# program NAME TEXT: an invented program.
program() {
    printf '#!/bin/bash\n%s\n' "$2" >"$folder/bin/$1"
    chmod +x "$folder/bin/$1"
}

# setup [VARIABLE=VALUE…]: runs setup.sh on the invented machine; its output is in $folder/output.
setup() {
    env -i PATH="$folder/bin" HOME="$folder" PKG_CONFIG_LIBDIR="$folder/empty" "$@" \
        bash "$folder/kaon/scripts/setup.sh" >"$folder/output" 2>&1
}

# flags NAME: the flags that swift build would get from pkg-config after setup.sh.
flags() {
    env -i PATH="$folder/bin" PKG_CONFIG_LIBDIR="$folder/empty" bash -c \
        "source $folder/kaon/.build/environment.sh; pkg-config --cflags --libs $1"
}

says() { grep -qF -- "$1" "$folder/output" || { cat "$folder/output" && return 1; }; }
sets() {
    grep -qF -- "$1" "$folder/kaon/.build/environment.sh" ||
        { cat "$folder/kaon/.build/environment.sh" && return 1; }
}
has_flags() { [[ " $(flags "$1") " == *"$2"* ]] || { flags "$1" && return 1; }; }
fails() { ! "$@" >/dev/null; }

# package PREFIX NAME LIBRARY: an installed library with its pkg-config file.
package() {
    mkdir -p "$1"/{include,lib/pkgconfig}
    touch "$1/lib/lib$3.so"
    cat >"$1/lib/pkgconfig/$2.pc" <<END
prefix=$1
Name: $2
Description: $2
Version: 1
Cflags: -I\${prefix}/include
Libs: -L\${prefix}/lib -l$3
END
}

# hdf5_headers FOLDER 0|1: the headers of HDF5, with or without MPI.
hdf5_headers() {
    mkdir -p "$1"
    touch "$1/hdf5.h"
    local line='/* #undef H5_HAVE_PARALLEL */'
    if (($2)); then line='#define H5_HAVE_PARALLEL 1'; fi
    echo "$line" >"$1/H5pubconf.h"
}

# Modules that set PATH, PKG_CONFIG_PATH and LD_LIBRARY_PATH, with HDF5 under its own name.
begin
program mpirun ':'
package "$folder/modules/mpi" ompi-c mpi
package "$folder/modules/hdf5" hdf5 hdf5
package "$folder/modules/blas" openblas openblas
hdf5_headers "$folder/modules/hdf5/include" 1
modules=(PKG_CONFIG_PATH="$folder/modules/mpi/lib/pkgconfig:$folder/modules/hdf5/lib/pkgconfig"
    LD_LIBRARY_PATH="$folder/modules/mpi/lib" OPENBLAS_ROOT="$folder/modules/blas")
check "modules: found" setup "${modules[@]}"
check "modules: HDF5 under the name of Package.swift" has_flags hdf5-openmpi "-I$folder/modules/hdf5/include"
check "modules: library folder that the loader lacks" sets "$folder/modules/hdf5/lib"
check "modules: library folder that the loader has" fails sets "$folder/modules/mpi/lib"
first=$(cat "$folder/kaon/.build/environment.sh")
check "modules: again" setup "${modules[@]}"
check "modules: the same paths again" test "$first" == "$(cat "$folder/kaon/.build/environment.sh")"
again() (
    export PKG_CONFIG_PATH=${modules[0]#*=} LD_LIBRARY_PATH=${modules[1]#*=}
    # shellcheck source=/dev/null
    source "$folder/kaon/.build/environment.sh"
    setup PKG_CONFIG_PATH="$PKG_CONFIG_PATH" LD_LIBRARY_PATH="$LD_LIBRARY_PATH" "${modules[2]}"
)
check "modules: again with the paths set" again
check "modules: the same paths with the paths set" test "$first" == "$(cat "$folder/kaon/.build/environment.sh")"
check "modules: OpenBLAS of OPENBLAS_ROOT" has_flags openblas "-L$folder/modules/blas/lib"

# Everything is where Package.swift expects it: nothing is written.
begin
program mpirun ':'
for name in ompi-c:mpi hdf5-openmpi:hdf5 openblas:openblas; do package "$folder/system" "${name%:*}" "${name#*:}"; done
check "system: found" setup PKG_CONFIG_PATH="$folder/system/lib/pkgconfig" LD_LIBRARY_PATH="$folder/system/lib"
check "system: no environment" test ! -e "$folder/kaon/.build/environment.sh"

# HDF5 without MPI.
begin
program mpirun ':'
package "$folder/modules/mpi" ompi-c mpi
package "$folder/modules/hdf5" hdf5 hdf5
hdf5_headers "$folder/modules/hdf5/include" 0
check "HDF5 without MPI: refused" fails setup "${modules[@]}"
check "HDF5 without MPI: its folder is named" says "the HDF5 in $folder/modules/hdf5/lib was built without MPI"

# mpicc and h5pcc in PATH, no pkg-config files.
begin
program mpirun ':'
package "$folder/blas" openblas openblas
hdf5_headers "$folder/h5/include" 1
mkdir -p "$folder/mpi/lib" "$folder/h5/lib"
touch "$folder/mpi/lib/libmpi.so" "$folder/h5/lib/libhdf5.so"
program mpicc "case \$1 in --showme:version) echo 'mpicc: Open MPI 5.0.3';; --showme:incdirs) echo $folder/mpi/include;;
    --showme:libdirs) echo $folder/mpi/lib;; esac"
program h5pcc "echo mpicc -I$folder/h5/include -L$folder/h5/lib -lhdf5 -lz"
check "compilers: found" setup PKG_CONFIG_PATH="$folder/blas/lib/pkgconfig"
check "compilers: MPI" has_flags ompi-c "-I$folder/mpi/include -L$folder/mpi/lib -lmpi"
check "compilers: HDF5" has_flags hdf5-openmpi "-I$folder/h5/include -L$folder/h5/lib -lhdf5"
program mpicc "echo 'mpicc for MPICH version 4.1' >&2; exit 1"
check "compilers: MPICH is refused" fails setup PKG_CONFIG_PATH="$folder/blas/lib/pkgconfig"
check "compilers: what is missing" says "Open MPI (mpicc --showme"

# dnf: installs below Fedora's folder, where mpirun is not in PATH.
begin
fedora=$folder/lib64/openmpi
program rpm "echo $folder/lib64"
package "$folder/source" ompi-c mpi
package "$folder/source" openblas openblas
hdf5_headers "$folder/include/openmpi-x86_64" 1
program dnf "echo dnf \"\$@\"; mkdir -p $fedora/bin; cp -r $folder/source/lib $fedora/
    sed -i 's#$folder/source#$fedora#' $fedora/lib/pkgconfig/*; touch $fedora/lib/libhdf5.so
    printf '#!/bin/bash\n' >$fedora/bin/mpirun; chmod +x $fedora/bin/mpirun
    printf '#!/bin/bash\necho gcc -I$folder/include/openmpi-x86_64 -L$fedora/lib -lhdf5\n' >$fedora/bin/h5pcc
    chmod +x $fedora/bin/h5pcc"
program chmod "$(type -P chmod) \"\$@\""
for tool in cp touch; do ln -s "$(type -P $tool)" "$folder/bin/$tool"; done
check "dnf: installed and found" setup
check "dnf: packages" says "dnf install -y -q openmpi-devel openblas-devel hdf5-openmpi-devel pkgconf-pkg-config"
check "dnf: mpirun in PATH" sets "export PATH='$fedora/bin'"
check "dnf: HDF5" has_flags hdf5-openmpi "-I$folder/include/openmpi-x86_64"
check "dnf: libraries for the loader" sets "export LD_LIBRARY_PATH='$fedora/lib'"
rm -rf "$fedora"
program dnf 'exit 1'
check "dnf: packages that it does not have" fails setup
check "dnf: EPEL is named" says "crb enable"

# Spack, without modules.
begin
for name in openmpi hdf5 openblas; do mkdir -p "$folder/spack/$name/bin"; done
package "$folder/spack/openmpi" ompi-c mpi
package "$folder/spack/hdf5" hdf5 hdf5
package "$folder/spack/openblas" openblas openblas
hdf5_headers "$folder/spack/hdf5/include" 1
printf '#!/bin/bash\n' >"$folder/spack/openmpi/bin/mpirun"
chmod +x "$folder/spack/openmpi/bin/mpirun"
program spack "[[ \$1 == location ]] && name=\${4%+mpi} && [[ -d $folder/spack/\$name ]] && echo $folder/spack/\$name"
check "Spack: found" setup
check "Spack: HDF5" has_flags hdf5-openmpi "-L$folder/spack/hdf5/lib -lhdf5"
check "Spack: mpirun in PATH" sets "export PATH='$folder/spack/openmpi/bin'"
for name in openmpi hdf5 openblas; do check "Spack: $name for the loader" sets "$folder/spack/$name/lib"; done

# Nothing, and no package manager.
begin
check "nothing: refused" fails setup
check "nothing: modules are named" says "load the modules of your cluster"
