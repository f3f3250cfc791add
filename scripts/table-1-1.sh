#!/usr/bin/env bash
# A small version of Table 1.1 of arXiv:2401.13537: trains the VQ-VAE, then for each of the eight rows pre-trains a
# backbone and fits a linear probe to the fixed backbone; prints a table of the probes' accuracies on the test jets.
#
#     bash scripts/table-1-1.sh data=/path/to/jets
#     bash scripts/table-1-1.sh data=/path/to/jets seeds=3 steps=800 probe_steps=1000 ranks=2
#
# Finished runs are skipped and stopped runs continue: the same command can be given again, also with more seeds.
# Optional keys (defaults below):
#
#     data             folder with train.h5, val.h5 and test.h5
#     runs             parent folder of the runs
#     seeds            runs per row, all with the same VQ-VAE; from 2 the table shows mean and standard deviation
#     ranks, threads   per run; their product is the number of cores
#     tokenizer_steps  training steps of the VQ-VAE
#     steps            training steps of each pre-training
#     probe_steps      maximum training steps of each probe; early stopping may end it sooner
#     probe_jets       training jets of the probe
#     tokenizer, pretrain, probe
#                      further overrides of the configurations, such as pretrain="model.encoder.width=64"
set -euo pipefail
# shellcheck source=scripts/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/mpi-environment.sh
source scripts/mpi-environment.sh

declare -A value=(
    [data]=data [runs]=runs/table-1-1 [seeds]=1 [ranks]=1 [threads]=auto
    [tokenizer_steps]=2000 [steps]=1500 [probe_steps]=2000 [probe_jets]=20000 [tokenizer]="" [pretrain]="" [probe]=""
)
# Configuration, inputs, targets, and where the pT order is encoded.
rows=(
    "mpmv1-vqvae-head            continuous  VQ-VAE      head"
    "mpmv1-kmeans-head           continuous  k-means     head"
    "mpmv1-vqvae-none            continuous  VQ-VAE      none"
    "mpmv1-vqvae-backbone        continuous  VQ-VAE      backbone"
    "mpmv1-vqvae-to-vqvae-head   VQ-VAE      VQ-VAE      head"
    "mpmv1-vqvae-to-kmeans-head  VQ-VAE      k-means     head"
    "mpmv1-regression-head       continuous  continuous  head"
    "mpmv1-regression-backbone   continuous  continuous  backbone"
)

fail() {
    printf 'table-1-1: %s\n' "$*" >&2
    exit 1
}

for argument in "$@"; do
    key=${argument%%=*}
    [[ $argument == *=* && -v value[$key] ]] ||
        fail "'$argument' is not of the form key=value with one of the keys ${!value[*]}"
    value[$key]=${argument#*=}
done
for name in train val test; do
    [[ -e ${value[data]}/$name.h5 ]] || fail "${value[data]}/$name.h5 not found; give data=FOLDER"
done
kaon=${KAON:-.build/release/kaon}
[[ -x $kaon ]] || fail "$kaon not found; run: swift build -c release --product kaon"
mkdir -p "${value[runs]}"

# run PLACE WORDS…: runs kaon; its output is in the kaon.log of the run.
run() {
    local place=$1 begin=$SECONDS
    shift
    local command=("$kaon" "$@" "parallel.threads=${value[threads]}")
    if ((value[ranks] > 1)); then command=("${mpirun[@]}" -n "${value[ranks]}" "${command[@]}"); fi
    "${command[@]}" >/dev/null || fail "$place: ended with exit code $?: ${command[*]}"
    echo "$(date +%T) $place: $((SECONDS - begin)) s" >&2
}

files=("data.train=[${value[data]}/train.h5]" "data.validation=[${value[data]}/val.h5]")

# train PLACE COMMAND CONFIGURATION DIRECTORY STEPS OVERRIDES…
train() {
    local place=$1 command=$2 configuration=$3 directory=$4 steps=$5
    shift 5
    # kaon itself detects a finished run; the marker file saves starting it.
    [[ ! -e $directory/finished-$steps ]] || return 0
    run "$place" "$command" "configs/small/$configuration.yaml" "${files[@]}" "run.directory=$directory" \
        "training.steps=$steps" "$@"
    touch "$directory/finished-$steps"
}

# shellcheck disable=SC2086  # several overrides, one word each
train "VQ-VAE" pretrain vqvae-v1 "${value[runs]}/vqvae" "${value[tokenizer_steps]}" ${value[tokenizer]}

for ((seed = 0; seed < value[seeds]; seed++)); do
    for row in "${rows[@]}"; do
        name=${row%% *}
        folder=${value[runs]}/$name-seed-$seed
        place="$name, seed $seed"
        tokenizer=()
        if [[ $name == *vqvae* ]]; then
            tokenizer=("tokenizer.checkpoint=${value[runs]}/vqvae/checkpoints/latest")
        fi
        # shellcheck disable=SC2086
        train "$place, pre-training" pretrain "$name" "$folder/backbone" "${value[steps]}" "seed=$seed" \
            "${tokenizer[@]}" ${value[pretrain]}
        # shellcheck disable=SC2086
        train "$place, probe" finetune linear-probe "$folder/probe" "${value[probe_steps]}" "seed=$seed" \
            "backbone=$folder/backbone/checkpoints/latest" "data.jets=${value[probe_jets]}" \
            "data.test=[${value[data]}/test.h5]" ${value[probe]}
        # A probe is evaluated at its end, but not again after it was continued for more steps.
        best=$folder/probe/checkpoints/best
        if [[ ! $folder/probe/evaluation/metrics.json -nt $best ]]; then
            run "$place, test" evaluate "$best" --force "data.test=[${value[data]}/test.h5]"
        fi
    done
done

printf '%-12s%-12s%-10s%s\n' inputs targets position accuracy
for row in "${rows[@]}"; do
    read -r name inputs targets position <<<"$row"
    printf '%-12s%-12s%-10s' "$inputs" "$targets" "$position"
    for ((seed = 0; seed < value[seeds]; seed++)); do
        sed -nE 's/^ *"accuracy" *: *([0-9.eE+-]+),?$/\1/p' \
            "${value[runs]}/$name-seed-$seed/probe/evaluation/metrics.json"
    done | awk '
        { sum += $1; squares += $1 * $1; n++ }
        END {
            printf "%.2f %%", 100 * sum / n
            deviations = squares - sum * sum / n
            if (n > 1) printf " ± %.2f", 100 * sqrt((deviations > 0 ? deviations : 0) / (n - 1))
            print ""
        }'
done
