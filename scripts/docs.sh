#!/usr/bin/env bash
# Builds the documentation of the Swift modules from their comments with docc from the toolchain: one archive per module
# in .build/docs, which any web server can serve. Warnings of docc are errors, except those about undocumented
# parameters.
#
#     bash scripts/docs.sh                  # all modules
#     bash scripts/docs.sh Tensors NN       # some of them
set -euo pipefail
# shellcheck source=scripts/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/mpi-environment.sh
source scripts/mpi-environment.sh

fail() {
    printf 'docs: %s\n' "$*" >&2
    exit 1
}

rooms=("$@")
if ((${#rooms[@]} == 0)); then
    rooms=(System MPI HDF5 Safetensors Configuration Tensors NN Distributed Jets Models Objectives Supervision Runs
        Training Commands)
fi
command -v docc >/dev/null || PATH=$PATH:$(dirname "$(realpath "$(command -v swift)")")
command -v docc >/dev/null || fail "docc not found next to swift; it is part of the toolchains from swift.org"

swift build -c release
products=$(swift build -c release --show-bin-path)
checkouts=.build/checkouts
flags=(-I "$products/Modules" -target "$(swift -print-target-info | sed -n 's/.*"unversionedTriple": "\(.*\)".*/\1/p')")
for map in Sources/C*/module.modulemap "$products/CKernels.build/module.modulemap" \
    "$checkouts/Yams/Sources/CYaml/include/module.modulemap"; do
    [[ -e $map ]] || fail "$map is missing; swift build creates it"
    flags+=(-Xcc "-fmodule-map-file=$map")
done
for flag in $(pkg-config --cflags ompi-c hdf5-openmpi openblas); do flags+=(-Xcc "$flag"); done

rm -rf .build/docs
for room in "${rooms[@]}"; do
    [[ -d Sources/$room ]] || fail "there is no module $room in Sources"
    mkdir -p ".build/docs/symbols/$room"
    swift-symbolgraph-extract -module-name "$room" "${flags[@]}" -minimum-access-level package -skip-inherited-docs \
        -output-dir ".build/docs/symbols/$room"
    log=.build/docs/$room.log
    docc convert --additional-symbol-graph-dir ".build/docs/symbols/$room" \
        --fallback-display-name "$room" --fallback-bundle-identifier "kaon.$room" \
        --output-path ".build/docs/$room.doccarchive" >"$log" 2>&1 ||
        { cat "$log" && fail "docc cannot convert $room"; }
    if grep -E '^(warning|error): ' "$log" | grep -vE "^warning: Parameter '.*' is missing documentation$"; then
        fail "docc warns about comments in Sources/$room; see $log"
    fi
    pages=$(find ".build/docs/$room.doccarchive/data/documentation" -name '*.json' | wc -l)
    echo "docs: $room, $pages pages"
done
