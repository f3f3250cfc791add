# shellcheck shell=bash
# Finds Open MPI, parallel HDF5 and OpenBLAS for setup.sh, which defines `fail`: by the pkg-config files that
# Package.swift names; by other pkg-config files; by mpicc and h5pcc, also those of Fedora outside PATH; by the
# variables that modules set (HDF5_ROOT, EBROOTHDF5, …); in Spack.
#
# Libraries that are not found under the names of Package.swift get a pkg-config file in .build/pkgconfig, and
# .build/environment.sh sets the paths that building and running need; mpi-environment.sh sources it.

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    # shellcheck source=scripts/help.sh
    source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
    print_comment "$0"
    exit
fi

found_folder=$PWD/.build/pkgconfig
environment_file=$PWD/.build/environment.sh
# Folders for PATH, PKG_CONFIG_PATH and LD_LIBRARY_PATH that were not in them at the start.
new_programs=() new_packages=() new_libraries=()

# has NAME: pkg-config finds the library.
has() { pkg-config --exists "$1" 2>/dev/null; }

# first_existing PATH…: prints the first of the paths that exists.
first_existing() {
    local path
    for path in "$@"; do
        [[ ! -e $path ]] || { echo "$path" && return; }
    done
    return 1
}

# spack_prefix SPEC: the folder of an installed Spack package.
spack_prefix() {
    command -v spack >/dev/null && spack location --first --install-dir "$1" 2>/dev/null
}

# header_folder NAME PREFIX and library_folder NAME PREFIX: the folders below the prefix that contain the file.
header_folder() {
    local path
    path=$(first_existing "$2/include/$1" "$2/include/openblas/$1" "$2/include/openmpi/$1") && dirname "$path"
}
library_folder() {
    local path
    path=$(first_existing "$2/lib64/$1" "$2/lib/$1" "$2/lib/$(uname -m)-linux-gnu/$1") && dirname "$path"
}

# is_parallel FOLDER…: one of the folders has the headers of HDF5 built with MPI.
is_parallel() {
    local folder
    for folder in "$@"; do
        if grep -qsE '^#define H5_HAVE_PARALLEL 1' "$folder"/H5pubconf*.h; then return; fi
    done
    return 1
}

# folders_of FLAG TEXT: the folders that the compiler flags name with -I or -L.
folders_of() {
    { grep -oE -- "(^| )-$1 ?[^ ]+" <<<"$2" || true; } | sed -E "s/^ *-$1 *//" | sort -u
}

# describe NAME LIBRARY "INCLUDE…" "LIBRARYFOLDER…": writes a pkg-config file. Folders are separated by line ends.
describe() {
    local cflags libs
    cflags=$(sed '/^$/d; s/^/-I/' <<<"$3" | paste -sd ' ')
    libs=$(sed '/^$/d; s/^/-L/' <<<"$4" | paste -sd ' ')
    mkdir -p "$found_folder"
    printf 'Name: %s\nDescription: found by scripts/setup.sh\nVersion: 0\nCflags: %s\nLibs: %s -l%s\n' \
        "$1" "$cflags" "$libs" "$2" >"$found_folder/$1.pc"
    echo "setup: $1 is in ${4%%$'\n'*}"
}

# use_folder FOLDER: pkg-config also searches this folder.
use_folder() {
    [[ -d $1 && ":${PKG_CONFIG_PATH:-}:" != *":$1:"* ]] || return 0
    new_packages+=("$1")
    export PKG_CONFIG_PATH="$1${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
}

# Fedora, RHEL and their relatives keep Open MPI in a folder of its own, which `module load mpi` adds to PATH.
use_fedora_folder() {
    local folder
    command -v rpm >/dev/null || return 0
    folder=$(rpm --eval '%{_libdir}' 2>/dev/null)/openmpi
    if [[ -x $folder/bin/mpirun ]] && ! command -v mpirun >/dev/null; then
        new_programs+=("$folder/bin")
        export PATH="$folder/bin:$PATH"
    fi
    use_folder "$folder/lib/pkgconfig"
}

# use_prefix PREFIX…: programs and pkg-config files below these folders.
use_prefix() {
    local prefix
    for prefix in "$@"; do
        [[ -n $prefix && -d $prefix ]] || continue
        if [[ -x $prefix/bin/mpirun ]] && ! command -v mpirun >/dev/null; then
            new_programs+=("$prefix/bin")
            export PATH="$prefix/bin:$PATH"
        fi
        use_folder "$prefix/lib/pkgconfig"
        use_folder "$prefix/lib64/pkgconfig"
    done
}

find_mpi() {
    use_prefix "${OPENMPI_ROOT:-}" "${EBROOTOPENMPI:-}" "${MPI_HOME:-}" "$(spack_prefix openmpi || true)"
    if has ompi-c; then return; fi
    # MPICH's mpicc does not have --showme.
    [[ $(mpicc --showme:version 2>/dev/null) == *"Open MPI"* ]] || return 1
    describe ompi-c mpi "$(mpicc --showme:incdirs | tr ' ' '\n')" "$(mpicc --showme:libdirs | tr ' ' '\n')"
}

find_hdf5() {
    local name flags prefix headers libraries
    use_prefix "${HDF5_ROOT:-}" "${HDF5_DIR:-}" "${EBROOTHDF5:-}" "$(spack_prefix hdf5+mpi || true)"
    if has hdf5-openmpi; then return; fi
    for name in hdf5 hdf5_openmpi hdf5-parallel; do
        if has "$name"; then
            headers=$(folders_of I "$(PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 pkg-config --cflags "$name")")
            libraries=$(folders_of L "$(PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 pkg-config --libs "$name")")
            # shellcheck disable=SC2086  # split into one word per folder
            if is_parallel $headers; then describe hdf5-openmpi hdf5 "$headers" "$libraries" && return; fi
            serial_hdf5=${libraries%%$'\n'*}
        fi
    done
    if command -v h5pcc >/dev/null; then
        # Its own folders come last, after those of the compiler flags.
        flags=$(h5pcc -show 2>/dev/null) || flags=""
        prefix=$(dirname "$(dirname "$(realpath "$(command -v h5pcc)")")")
        headers=$(folders_of I "$flags"; header_folder hdf5.h "$prefix" || true)
        libraries=$(folders_of L "$flags"; library_folder libhdf5.so "$prefix" || true)
        # shellcheck disable=SC2086  # split into one word per folder
        if is_parallel $headers; then describe hdf5-openmpi hdf5 "$headers" "$libraries" && return; fi
    fi
    for prefix in "${HDF5_ROOT:-}" "${HDF5_DIR:-}" "${EBROOTHDF5:-}"; do
        headers=$(header_folder hdf5.h "$prefix") || continue
        libraries=$(library_folder libhdf5.so "$prefix") || continue
        if is_parallel "$headers"; then describe hdf5-openmpi hdf5 "$headers" "$libraries" && return; fi
        serial_hdf5=$prefix
    done
    return 1
}

find_openblas() {
    local prefix headers libraries
    use_prefix "${OPENBLAS_ROOT:-}" "${OPENBLAS_HOME:-}" "${EBROOTOPENBLAS:-}" "$(spack_prefix openblas || true)"
    if has openblas; then return; fi
    for prefix in "${OPENBLAS_ROOT:-}" "${OPENBLAS_HOME:-}" "${EBROOTOPENBLAS:-}" /usr; do
        headers=$(header_folder cblas.h "$prefix") || continue
        libraries=$(library_folder libopenblas.so "$prefix") || continue
        describe openblas openblas "$headers" "$libraries" && return
    done
    return 1
}

# forget_environment: removes the paths that an earlier .build/environment.sh has set, so that they are found again.
forget_environment() {
    local variable folders kept
    [[ -e $environment_file ]] || return 0
    while IFS="=" read -r variable folders; do
        kept=$(tr ':' '\n' <<<"${!variable:-}" | grep -vxF -f <(cut -d "'" -f 2 <<<"$folders" | tr ':' '\n') |
            paste -sd :) || true
        export "$variable=$kept"
    done < <(sed -n 's/^export //p' "$environment_file")
}

# Sets `missing` to what is not found, in words, and serial_hdf5 to a folder of HDF5 without MPI, if there is one.
find_libraries() {
    missing=()
    # shellcheck disable=SC2034  # used by setup.sh
    serial_hdf5=""
    command -v pkg-config >/dev/null || { missing=("pkg-config") && return; }
    use_fedora_folder
    rm -rf "$found_folder"
    mkdir -p "$found_folder"
    use_folder "$found_folder"
    find_mpi || missing+=("Open MPI (mpicc --showme, or the pkg-config file ompi-c)")
    command -v mpirun >/dev/null || missing+=("mpirun of Open MPI in PATH")
    find_hdf5 || missing+=("HDF5 built with Open MPI (the pkg-config file hdf5-openmpi or hdf5, h5pcc, or HDF5_ROOT)")
    find_openblas || missing+=("OpenBLAS (the pkg-config file openblas, or OPENBLAS_ROOT)")
}

loader_cache() { ldconfig -p 2>/dev/null || /sbin/ldconfig -p 2>/dev/null || true; }

# The folders in which the loader searches, one a line.
loader_folders() {
    loader_cache | sed -n 's/.*=> //p' | xargs -r dirname | sort -u | xargs -r realpath -q
    tr ':' '\n' <<<"${LD_LIBRARY_PATH:-}"
}

# Folders of the libraries that the loader does not search, such as those of Spack.
find_loader_folders() {
    local known name file folder
    known=$(loader_folders)
    for name in ompi-c:mpi hdf5-openmpi:hdf5 openblas:openblas; do
        for folder in $(folders_of L "$(PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 pkg-config --libs "${name%:*}")"); do
            file=$folder/lib${name#*:}.so
            [[ -e $file ]] || continue
            # The link that compilers use may be in another folder than the library, as in Debian.
            folder=$(dirname "$(realpath "$file")")
            # Any OpenBLAS serves; Debian chooses one of several by a link in a folder of the loader.
            if [[ $name == openblas:* ]] &&
                loader_cache | grep -F "$(cd "$folder" && echo libopenblas.so.[0-9])" >/dev/null; then
                break
            fi
            if ! grep -qxF "$folder" <<<"$known"; then
                new_libraries+=("$folder")
                known+=$'\n'$folder
            fi
            break
        done
    done
}

# prepend VARIABLE FOLDER…: prints the line of a shell script that puts the folders in front of the variable.
prepend() {
    local variable=$1
    shift
    (($# > 0)) || return 0
    printf "export %s='%s'\"\${%s:+:\$%s}\"\n" "$variable" "$(printf '%s\n' "$@" | paste -sd :)" "$variable" "$variable"
}

# Writes .build/environment.sh, or removes it if no paths are needed, and prints the paths.
write_environment() {
    find_loader_folders
    # Without a file in it, the folder of pkg-config files is not needed.
    if rmdir "$found_folder" 2>/dev/null; then
        mapfile -t new_packages < <(printf '%s\n' "${new_packages[@]}" | grep -vxF "$found_folder")
    fi
    if ((${#new_programs[@]} + ${#new_packages[@]} + ${#new_libraries[@]} == 0)); then
        rm -f "$environment_file"
        return
    fi
    {
        echo "# Written by scripts/setup.sh: paths of the libraries that kaon is built with."
        prepend PATH "${new_programs[@]}"
        prepend PKG_CONFIG_PATH "${new_packages[@]}"
        prepend LD_LIBRARY_PATH "${new_libraries[@]}"
    } >"$environment_file"
    echo "setup: the scripts use these paths; before you call swift build or kaon yourself (in bash or zsh):"
    echo "    source $environment_file"
}
