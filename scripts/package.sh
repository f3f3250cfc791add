#!/usr/bin/env bash
# Makes a relocatable archive, .build/kaon-VERSION-linux-ARCHITECTURE.tar.gz: kaon with the Swift runtime linked
# statically, HDF5 and OpenBLAS, configurations, documentation, Python tools, completions, man page and licences. It
# runs where no Swift is installed, and from any folder; check-archive.sh in it names what a machine lacks.
#
#     bash scripts/package.sh                      # builds kaon in .build/package
#     bash scripts/package.sh --output FOLDER      # where to write the archive
#     bash scripts/package.sh --program FILE       # packs a program that has been built in this way
#
# MPI is not packed: it has to fit the network and the launcher of the machine. All of Open MPI 4 and 5 can be used.
# HDF5 and OpenBLAS are packed with the libraries that they need, since distributions name parallel HDF5 differently.
# The C and C++ libraries are those of the machine, so make the archive on the oldest system that has to run it.
set -euo pipefail
# shellcheck source=scripts/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"

fail() {
    printf 'package: %s\n' "$*" >&2
    exit 1
}

output=$PWD/.build program=""
while (($# > 0)); do
    case $1 in
        --output | --program)
            (($# > 1)) || fail "$1 needs a value"
            [[ $1 == --output ]] && output=$(realpath -m "$2") || program=$(realpath -m "$2")
            shift 2
            ;;
        *) refuse_arguments "$@" ;;
    esac
done
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ $(uname -s) == Linux ]] || fail "archives are made on Linux only"

# Libraries that are part of every system (the C and C++ libraries, and zlib, which libraries of MPI share), and those
# of MPI, whose own dependencies are then not followed.
system='^(linux-vdso|ld-linux[^/]*|libc|libm|libpthread|libdl|librt|libresolv|libutil|libstdc\+\+|libgcc_s|libz)\.so'
mpi='^lib(mpi|open-rte|open-pal|pmix|prrte)[^/]*\.so'

build() {
    bash scripts/setup.sh
    # shellcheck source=scripts/mpi-environment.sh
    source scripts/mpi-environment.sh
    # With DT_RPATH (--disable-new-dtags) the packed libraries find each other too, and LD_LIBRARY_PATH, which modules
    # set, does not replace them by others of the same name.
    # shellcheck disable=SC2016  # $ORIGIN is expanded by the loader
    swift build -c release --product kaon --scratch-path .build/package --static-swift-stdlib \
        -Xlinker --disable-new-dtags -Xlinker -rpath -Xlinker '$ORIGIN/../lib'
    program=$(swift build -c release --scratch-path .build/package --show-bin-path)/kaon
}

# needed FILE: the names of the libraries that the file itself requires.
needed() {
    objdump -p "$1" | awk '$1 == "NEEDED" { print $2 }'
}

# pack FILE: copies the libraries that the file requires into lib, and those that they require.
pack() {
    local name path
    for name in $(needed "$1"); do
        if [[ $name =~ $system || $name =~ $mpi || -e $folder/lib/$name ]]; then continue; fi
        path=${paths[$name]:-}
        [[ -n $path ]] || fail "$name, which $1 requires, is not found; source the environment in which kaon was built"
        install -m 644 "$(realpath "$path")" "$folder/lib/$name"
        pack "$path"
        licence "$path"
    done
}

# licence FILE: copies the licence of the Debian or RPM package that contains the file.
licence() {
    local package="" file=""
    file=$(realpath "$1")
    if command -v dpkg-query >/dev/null; then
        # With merged /usr the package may list the file below /lib.
        package=$({ dpkg-query -S "$file" || dpkg-query -S "${file#/usr}"; } 2>/dev/null | head -n 1 | cut -d : -f 1) ||
            true
        if [[ -n $package && -e /usr/share/doc/$package/copyright ]]; then
            cp -L "/usr/share/doc/$package/copyright" "$folder/licences/$package.txt"
            return
        fi
    elif command -v rpm >/dev/null; then
        package=$(rpm -qf --queryformat '%{NAME}\n' "$file" 2>/dev/null) || package=""
        if [[ -n $package ]]; then
            rpm -q --queryformat '%{NAME} %{VERSION}: %{LICENSE}\n%{URL}\n' "$package" >"$folder/licences/$package.txt"
            return
        fi
    fi
    echo "package: add the licence of $(basename "$file") to the archive yourself: no package contains $file" >&2
}

# Licences of what is linked into the program.
program_licences() {
    local checkout swift_root
    cp LICENSE "$folder/LICENSE"
    for checkout in .build/package/checkouts/* .build/checkouts/*; do
        if [[ -e $checkout/LICENSE || -e $checkout/LICENSE.txt ]]; then
            cat "$checkout"/LICENSE* >"$folder/licences/$(basename "$checkout").txt"
        fi
    done
    swift_root=$(dirname "$(dirname "$(realpath "$(command -v swift)")")")
    for file in "$swift_root"/share/swift/LICENSE.txt "$swift_root"/share/doc/swift/LICENSE.txt; do
        if [[ -e $file ]]; then cp "$file" "$folder/licences/swift.txt"; fi
    done
}

# linked_files: copies the files to which the documentation links, such as the sources named in docs/developing.md.
linked_files() {
    python3 - "$folder" <<'END'
import os, re, shutil, sys
from pathlib import Path

folder = Path(sys.argv[1])
pages = sorted(page.relative_to(folder) for page in folder.rglob("*.md"))
for page in pages:
    for link in re.findall(r"\]\(([^)\s:#]+)(?:#[^)]*)?\)", (folder / page).read_text(encoding="utf-8")):
        path = Path(os.path.normpath(page.parent / link))
        if (folder / path).exists():
            continue
        if path.is_absolute() or path.parts[0] == ".." or not path.is_file():
            sys.exit(f"package: {page} links to {link}, which is not a file of the repository")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / path)
        if path.suffix == ".md":
            pages.append(path)
END
}

for command in python3 objdump; do
    command -v "$command" >/dev/null || fail "$command is not in PATH; install python3 and binutils"
done
if [[ -z $program ]]; then build; fi
[[ -x $program ]] || fail "$program is not a program"
"$program" --version >/dev/null || fail "$program does not run"
version=$(sed -n 's/.*kaonVersion = "\(.*\)".*/\1/p' Sources/System/Version.swift)
name=kaon-$version-linux-$(uname -m)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
folder=$work/$name
mkdir -p "$folder"/{bin,lib,licences} "$folder"/share/{man/man1,bash-completion/completions,zsh/site-functions} \
    "$folder"/share/fish/vendor_completions.d

# The layout is that of the repository, so that commands of the documentation and paths in configurations work.
files=(README.md CHANGELOG.md CITATION.cff configs docs examples python scripts slurm condor Tests/Fixtures/jets
    Sources/System/Version.swift)
mapfile -d '' -t files < <(git ls-files -z --cached --others --exclude-standard -- "${files[@]}" 2>/dev/null ||
    find "${files[@]}" -type f -not -path '*/__pycache__/*' -not -path '*.egg-info/*' -print0)
((${#files[@]} > 0)) || fail "the files of the repository are not found"
tar --create --no-recursion "${files[@]}" | tar --extract --directory "$folder"
linked_files

install -m 755 "$program" "$folder/bin/kaon"
# Names of functions are kept for backtraces.
strip --strip-debug "$folder/bin/kaon"
# shellcheck disable=SC2016  # $ORIGIN is expanded by the loader
objdump -p "$program" | grep -E '^ *R(UN)?PATH .*\$ORIGIN/\.\./lib' >/dev/null ||
    fail "$program does not search for libraries in ../lib; without --program, package.sh builds one that does"
declare -A paths=()
while read -r library path; do
    paths[$library]=$path
done < <(ldd "$program" | awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }')
pack "$program"
program_licences
python3 scripts/man-page.py "$program" >"$folder/share/man/man1/kaon.1"
"$program" --generate-completion-script bash >"$folder/share/bash-completion/completions/kaon"
"$program" --generate-completion-script zsh >"$folder/share/zsh/site-functions/_kaon"
"$program" --generate-completion-script fish >"$folder/share/fish/vendor_completions.d/kaon.fish"

mkdir -p "$output"
tar --create --gzip --owner 0 --group 0 --numeric-owner --file "$output/$name.tar.gz" --directory "$work" "$name"
echo "package: $output/$name.tar.gz, $(du -h "$output/$name.tar.gz" | cut -f 1)," \
    "with $(find "$folder/lib" -type f | wc -l) libraries"
