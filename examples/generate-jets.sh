#!/usr/bin/env bash
# Trains a small set-to-set flow, generates jets with it, and draws their distributions beside those of real jets. After
# so few steps they differ visibly; configs/small/set-flow.yaml trains for ten minutes.
#
#     bash examples/generate-jets.sh [FOLDER]
set -euo pipefail
folder=${1:-runs/examples/generate-jets}
jets=Tests/Fixtures/jets

kaon pretrain configs/small/set-flow.yaml "data.train=[$jets/train.h5]" "data.validation=[$jets/val.h5]" \
    run.directory="$folder/flow" training.steps=40 training.batch_size=64 training.log_interval=10 \
    training.validation_interval=40 training.checkpoint_interval=40
kaon generate "$folder/flow/checkpoints/latest" --jets 200 --output "$folder/generated.h5"
kaon inspect "$folder/generated.h5"
kaon-plot generated "$folder/generated.h5" "$jets/test.h5" --output "$folder/generated.png"
