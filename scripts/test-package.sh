#!/usr/bin/env bash
# Tests package.sh, the archives that it makes, and their check. The last line is "N passed, N failed".
#
#     bash scripts/test-package.sh            # packs a small program in place of kaon, which calls the release build
#     bash scripts/test-package.sh --long     # also makes a real archive and runs it in a new Debian without Swift
#
# The long form builds kaon again, and needs root and Debian's mirror. KAON is the program (default: the release build).
set -uo pipefail
# shellcheck source=scripts/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
long=""
if [[ ${1:-} == --long ]]; then long=yes && shift; fi
refuse_arguments "$@"
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
# shellcheck source=scripts/mpi-environment.sh
source scripts/mpi-environment.sh
# shellcheck source=scripts/checks.sh
source scripts/checks.sh
# shellcheck source=scripts/packages.sh
source scripts/packages.sh

prepare
folder=$(mktemp -d)
clean_up() {
    umount --lazy "$folder/debian/dev" "$folder/debian/proc" "$folder/debian/sys" 2>/dev/null
    rm -rf --one-file-system "$folder"
}
fails() { ! "$@"; }
says() { grep -qF -- "$1" "$folder/output" || { cat "$folder/output" && return 1; }; }

for command in objdump:binutils strip:binutils python3:python3; do
    command -v "${command%:*}" >/dev/null || install_packages "${command#*:}"
done
compiler=$(command -v clang || command -v cc) || fail "neither clang, a part of Swift's toolchain, nor cc is in PATH"

# A program that requires the same libraries as kaon and leaves its work to kaon.
cat >"$folder/kaon.c" <<'END'
#include <stdlib.h>
#include <unistd.h>
int MPI_Initialized(int *), H5open(void), openblas_get_num_threads(void);
int main(int count, char **arguments)
{
    if (count > 1000) return MPI_Initialized(&count) + H5open() + openblas_get_num_threads();
    return execv(getenv("KAON"), arguments);
}
END
# shellcheck disable=SC2046,SC2016  # split into flags; $ORIGIN is expanded by the loader
"$compiler" "$folder/kaon.c" -o "$folder/kaon" -Wl,--disable-new-dtags,-rpath,'$ORIGIN/../lib' \
    $(pkg-config --libs ompi-c hdf5-openmpi openblas) || fail "the small program does not build"

check "a program without ../lib in its search path is refused" \
    fails bash scripts/package.sh --program /bin/bash --output "$folder" 2>"$folder/output"
check "package" bash scripts/package.sh --program "$folder/kaon" --output "$folder/output folder"
mkdir "$folder/an archive"
tar --extract --file "$folder/output folder"/kaon-*.tar.gz --directory "$folder/an archive" --strip-components 1
archive="$folder/an archive"
check "HDF5 and OpenBLAS are packed" \
    test -n "$(find "$archive/lib" -name 'libhdf5*')" -a -n "$(find "$archive/lib" -name 'libopenblas*')"
check "MPI and the C library are not" \
    test -z "$(find "$archive/lib" -name 'libmpi*' -o -name 'libc.so*' -o -name 'libopen-*')"
check "licences" test "$(find "$archive/licences" -name '*.txt' | wc -l)" -ge 4
check "configurations" test -e "$archive/configs/quickstart.yaml"
check "sample jets" test -e "$archive/Tests/Fixtures/jets/val.h5"
broken_links() {
    python3 - "$archive" <<'END'
import re, sys
from pathlib import Path

for page in Path(sys.argv[1]).rglob("*.md"):
    for link in re.findall(r"\]\(([^)\s:#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not (page.parent / link).exists():
            print(f"{page}: {link}")
END
}
check "links of the documentation" test -z "$(broken_links)"
check "no compiled Python files" test -z "$(find "$archive" -name '*.pyc')"
check "the archive runs" bash "$archive/scripts/check-archive.sh"
packed_libraries() { ldd "$archive/bin/kaon" | grep -F "libhdf5" | grep -F "$archive" >/dev/null; }
check "the packed HDF5 is loaded" packed_libraries

# The man page and the completions name every command and option of the help.
man=$archive/share/man/man1/kaon.1
names() {
    "$KAON" --experimental-dump-help | python3 -c '
import json, sys
command = json.load(sys.stdin)["command"]
for each in [command, *(each for each in command["subcommands"] if each["shouldDisplay"])]:
    print(each["commandName"].replace("-", "\\-"))
    for argument in each.get("arguments", []):
        print("\n".join(("--" + name["name"]).replace("-", "\\-") for name in argument.get("names", [])
                        if argument["shouldDisplay"] and name["kind"] == "long"))'
}
man_is_complete() {
    local name
    for name in $(names); do
        grep -qF -- "$name" "$man" || { echo "kaon.1 lacks $name" && return 1; }
    done
}
check "man page: every command and option" man_is_complete
if command -v mandoc >/dev/null; then
    check "man page: mandoc" test -z "$(mandoc -T lint -W style "$man")"
fi
check "completions of bash" bash -n "$archive/share/bash-completion/completions/kaon"
for shell in zsh:zsh/site-functions/_kaon fish:fish/vendor_completions.d/kaon.fish; do
    if command -v "${shell%%:*}" >/dev/null; then
        check "completions of ${shell%%:*}" "${shell%%:*}" -n "$archive/share/${shell#*:}"
    fi
done

# What the check says where something is missing.
check_archive() { env "$@" bash "$archive/scripts/check-archive.sh" >"$folder/output" 2>&1; }
rm "$archive"/lib/libopenblas*
# grep reads to the end: with -q, ldconfig might be ended by SIGPIPE, which pipefail takes for an error.
if ! ldconfig -p | grep libopenblas.so.0 >/dev/null; then
    check "a packed library is missing" fails check_archive
    check "its name" says "missing: libopenblas"
fi
mkdir -p "$folder/bin" "$folder/mpi/bin" "$folder/mpi/lib"
echo 'int MPI_Invented(void) { return 0; }' >"$folder/mpi.c"
echo 'int MPI_Invented(void); int main(void) { return MPI_Invented(); }' >"$folder/main.c"
"$compiler" -shared -fPIC "$folder/mpi.c" -o "$folder/mpi/lib/libmpi.so.4711" -Wl,-soname,libmpi.so.4711
"$compiler" "$folder/main.c" -o "$archive/bin/kaon" "$folder/mpi/lib/libmpi.so.4711"
printf '#!/bin/bash\necho "mpirun (Open MPI) 5.0.3"\n' >"$folder/mpi/bin/mpirun"
chmod +x "$folder/mpi/bin/mpirun"
check "no MPI" fails check_archive
check "no MPI: how to get it" says "missing: libmpi.so.4711"
check "MPI beside mpirun" fails check_archive PATH="$folder/mpi/bin:$PATH"
check "MPI beside mpirun: the path" says "export LD_LIBRARY_PATH=$folder/mpi/lib"
check "MPI in the path" check_archive PATH="$folder/mpi/bin:$PATH" LD_LIBRARY_PATH="$folder/mpi/lib"
printf '#!/bin/bash\necho "HYDRA build details:"\n' >"$folder/mpi/bin/mpirun"
check "another MPI's mpirun" fails check_archive PATH="$folder/mpi/bin:$PATH" LD_LIBRARY_PATH="$folder/mpi/lib"
check "another MPI's mpirun: its version" says "the one in PATH is 'HYDRA build details:'"
rm "$archive/bin/kaon"
check "no program" fails check_archive

# run_in_debian COMMAND: runs a command of bash in the new Debian.
run_in_debian() {
    chroot "$folder/debian" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root OMPI_ALLOW_RUN_AS_ROOT=1 \
        OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl_vader_single_copy_mechanism=none bash -c "$1"
}
new_debian() {
    command -v debootstrap >/dev/null || install_packages debootstrap
    debootstrap --variant=minbase bookworm "$folder/debian" >"$logs/debootstrap.log" || return
    for place in dev proc sys; do mount --rbind "/$place" "$folder/debian/$place"; done
    tar --extract --file "$folder/output folder"/kaon-*.tar.gz --directory "$folder/debian/opt"
}
if [[ -n $long ]]; then
    rm -rf "$folder/output folder"
    check "archive of kaon" bash scripts/package.sh --output "$folder/output folder"
    check "new Debian" new_debian
    check "without Swift" fails run_in_debian 'command -v swift'
    check "without MPI: refused" fails run_in_debian 'bash /opt/kaon-*/scripts/check-archive.sh'
    check "MPI is installed" run_in_debian 'apt-get install -y -qq --no-install-recommends openmpi-bin' \
        >"$logs/apt.log" 2>&1
    check "with MPI: accepted" run_in_debian 'bash /opt/kaon-*/scripts/check-archive.sh'
    check "training" run_in_debian 'cd /opt/kaon-* && bin/kaon pretrain configs/quickstart.yaml training.steps=10'
    check "two ranks continue it" run_in_debian \
        'cd /opt/kaon-* && mpirun --oversubscribe -n 2 bin/kaon pretrain configs/quickstart.yaml training.steps=20'
fi
