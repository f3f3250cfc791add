#!/usr/bin/env bash
# Builds the documentation of the libraries from their comments, with the docc of the toolchain, into .build/docs: a
# page for each room that any web server can show. Whatever docc warns of is an error, but for parameters that a comment
# says nothing of: their names say what they are.
#
#     bash scripts/docs.sh                  # all rooms
#     bash scripts/docs.sh Tensors NN       # some
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
    printf 'docs: %s\n' "$*" >&2
    exit 1
}

rooms=("$@")
((${#rooms[@]})) || rooms=(MPI HDF5 Configuration Safetensors Tensors NN Jets Models Objectives Training)
command -v docc >/dev/null || PATH=$PATH:$(dirname "$(realpath "$(command -v swift)")")
command -v docc >/dev/null || fail "no docc beside swift; it is part of the toolchains from swift.org"

swift build -c release
products=$(swift build -c release --show-bin-path)
checkouts=.build/checkouts
flags=(-I "$products/Modules" -target "$(swift -print-target-info | sed -n 's/.*"unversionedTriple": "\(.*\)".*/\1/p')")
for map in Sources/C*/module.modulemap "$products/CKernels.build/module.modulemap" \
    "$checkouts/Yams/Sources/CYaml/include/module.modulemap"; do
    [[ -e $map ]] || fail "$map is missing; swift build makes it"
    flags+=(-Xcc "-fmodule-map-file=$map")
done
for flag in $(pkg-config --cflags ompi-c hdf5-openmpi openblas); do flags+=(-Xcc "$flag"); done

rm -rf .build/docs
for room in "${rooms[@]}"; do
    [[ -d Sources/$room ]] || fail "there is no room $room in Sources"
    mkdir -p ".build/docs/symbols/$room"
    swift-symbolgraph-extract -module-name "$room" "${flags[@]}" -minimum-access-level public -skip-inherited-docs \
        -output-dir ".build/docs/symbols/$room"
    log=.build/docs/$room.log
    docc convert --additional-symbol-graph-dir ".build/docs/symbols/$room" \
        --fallback-display-name "$room" --fallback-bundle-identifier "kaon.$room" \
        --output-path ".build/docs/$room.doccarchive" >"$log" 2>&1 || { cat "$log" && fail "docc cannot convert $room"; }
    if grep -E '^(warning|error): ' "$log" | grep -vE "^warning: Parameter '.*' is missing documentation$"; then
        fail "docc warns of comments in Sources/$room; $log says where"
    fi
    pages=$(find ".build/docs/$room.doccarchive/data/documentation" -name '*.json' | wc -l)
    echo "docs: $room, $pages pages"
done
