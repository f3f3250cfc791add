#!/usr/bin/env bash
# Pre-trains a small backbone without labels, trains classifiers of 500 labelled jets on it and from scratch, and prints
# a table of both. After so few steps the backbone may be no better; see docs/tutorial.md for a real comparison.
#
#     bash examples/few-labels.sh [FOLDER]
set -euo pipefail
folder=${1:-runs/examples/few-labels}
jets=Tests/Fixtures/jets

kaon pretrain configs/quickstart.yaml run.directory="$folder/backbone" training.steps=100 \
    training.checkpoint_interval=100

for mode in fine_tuned scratch; do
    kaon finetune configs/small/finetune-classification.yaml backbone="$folder/backbone/checkpoints/best" \
        backbone_mode=$mode data.jets=500 "data.train=[$jets/train.h5]" "data.validation=[$jets/val.h5]" \
        "data.test=[$jets/test.h5]" run.directory="$folder/classifiers/$mode" training.steps=60 \
        training.batch_size=100 fine_tuning.frozen_steps=10 fine_tuning.catch_up_steps=10 \
        training.validation_interval=20 training.checkpoint_interval=20
done

kaon-results "$folder/classifiers" --measure accuracy,auc
