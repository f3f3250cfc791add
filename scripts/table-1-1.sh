#!/usr/bin/env bash
# Table 1.1 in small (arXiv:2401.13537): trains the VQ-VAE, then for each of the eight rows pre-trains a backbone, fits
# a linear probe to the fixed backbone, and prints the probe's accuracy on the test jets, all in one table.
#
#     bash scripts/table-1-1.sh data=/path/to/jets
#     bash scripts/table-1-1.sh data=/path/to/jets seeds=3 steps=800 probe_steps=1000 ranks=2
#
# What is finished is skipped and what was stopped goes on: the same command may be given again, also with more seeds.
# These keys have other values when they are given:
#
#     data             the folder of train.h5, val.h5 and test.h5
#     runs             the folder of the runs
#     seeds            how often each row is trained, on one VQ-VAE; the table then has mean and standard deviation
#     ranks, threads   of each run; the product is the number of cores
#     tokenizer_steps  of the VQ-VAE
#     steps            of each pre-training
#     probe_steps      of each probe, at most; a loss that no longer falls ends it earlier
#     probe_jets       that the probe learns from
#     tokenizer, pretrain, probe
#                      more overrides of their configurations, such as pretrain="model.encoder.width=64"
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/mpi-environment.sh
source scripts/mpi-environment.sh

declare -A value=(
    [data]=data [runs]=runs/table-1-1 [seeds]=1 [ranks]=1 [threads]=auto
    [tokenizer_steps]=2000 [steps]=1500 [probe_steps]=2000 [probe_jets]=20000 [tokenizer]="" [pretrain]="" [probe]=""
)
# The row's configuration, its inputs, its targets, and where the order in pT is told.
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
        fail "'$argument' is no key=value with one of the keys ${!value[*]}"
    value[$key]=${argument#*=}
done
for name in train val test; do
    [[ -e ${value[data]}/$name.h5 ]] || fail "there is no ${value[data]}/$name.h5; give data=FOLDER"
done
kaon=${KAON:-.build/release/kaon}
[[ -x $kaon ]] || fail "there is no $kaon; run: swift build -c release --product kaon"
mkdir -p "${value[runs]}"

# run PLACE WORDS…: runs kaon; what it says is in the kaon.log of the run.
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
    # kaon itself sees what is done, but a finished run need not be started for that.
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
        # The probe has been tested at its end; one that went on for more steps has not.
        best=$folder/probe/checkpoints/best
        if [[ ! $folder/probe/evaluation/metrics.json -nt $best ]]; then
            run "$place, test" evaluate "$best" "data.test=[${value[data]}/test.h5]"
        fi
    done
done

printf '%-12s%-12s%-10s%s\n' inputs targets position accuracy
for row in "${rows[@]}"; do
    read -r name inputs targets position <<<"$row"
    printf '%-12s%-12s%-10s' "$inputs" "$targets" "$position"
    for ((seed = 0; seed < value[seeds]; seed++)); do
        sed -nE 's/^ *"accuracy" *: *([0-9.eE+-]+),?$/\1/p' "${value[runs]}/$name-seed-$seed/probe/evaluation/metrics.json"
    done | awk '
        { sum += $1; squares += $1 * $1; n++ }
        END {
            printf "%.2f %%", 100 * sum / n
            if (n > 1) printf " ± %.2f", 100 * sqrt((squares - sum * sum / n > 0 ? squares - sum * sum / n : 0) / (n - 1))
            print ""
        }'
done
