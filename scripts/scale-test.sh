#!/usr/bin/env bash
# Reads a simulated data set of 100 million jets: a thousand links to a few files of 100 000 jets.
#
#     bash scripts/scale-test.sh SOURCE [FILES [RANKS…]]
#
# SOURCE is a file with at least 100 000 jets; FILES (default 1000) is the number of links, RANKS (default 1 2 4) the
# numbers of ranks to read with. Prints the time until the last rank is ready, jets and megabytes per second, and the
# peak memory of each rank, for one file and for all files: memory must not depend on the number of files.
set -euo pipefail
# shellcheck source=scripts/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/mpi-environment.sh
source scripts/mpi-environment.sh

(($# >= 1)) || {
    print_comment "$0" >&2
    exit 64
}
source_file=$(realpath "$1")
files=${2:-1000}
shift $(($# < 2 ? $# : 2))
ranks=("$@")
((${#ranks[@]} > 0)) || ranks=(1 2 4)
seconds=${KAON_SCALE_SECONDS:-20}

swift build -c release --product kaon
PATH="$(swift build -c release --show-bin-path):$PATH"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Four packed files, as a large data set would have, and links to them.
mkdir "$folder/one" "$folder/all"
kaon pack "$source_file" --output "$folder/part-0.h5" --jets 100000
for part in 1 2 3; do cp "$folder/part-0.h5" "$folder/part-$part.h5"; done
ln -s "$folder/part-0.h5" "$folder/one/jets.h5"
for ((number = 0; number < files; number++)); do
    ln -s "$folder/part-$((number % 4)).h5" "$folder/all/jets-$(printf %05d "$number").h5"
done
cat >"$folder/scale.yaml" <<END
data: {train: $folder/one}
tasks: {kmeans: {}}
END

read_all() {
    local count=$1
    shift
    "${mpirun[@]}" -n "$count" kaon bench --data "$folder/scale.yaml" --seconds "$seconds" "$@"
}
for count in "${ranks[@]}"; do
    for set in one all; do
        printf '\n=== %s, %s\n' "$count ranks" "$([[ $set == one ]] && echo "1 file" || echo "$files files")"
        read_all "$count" data.train="$folder/$set"
    done
done
printf '\n=== reading the labels of all jets, to select one class and to select 10 000 jets\n'
kaon inspect "$folder/one/jets.h5" --json >"$folder/one.json"
first_class=$(awk -F'"' '
    $2 == "classes" { inside = 1 }
    inside && $2 == "name" && !name { name = $4 }
    END { print name }' "$folder/one.json")
read_all "${ranks[-1]}" data.train="$folder/all" data.classes="[$first_class]"
read_all "${ranks[-1]}" data.train="$folder/all" data.jets=10000
