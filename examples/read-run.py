#!/usr/bin/env python3
"""Reads what a run writes: configuration, losses and weights. A run of 40 steps is made first if there is none.

    python examples/read-run.py [FOLDER]
"""

import csv
import subprocess
import sys
from pathlib import Path

import h5py
import yaml


def main() -> None:
    run = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/examples/read-run")
    subprocess.run(["kaon", "pretrain", "configs/quickstart.yaml", f"run.directory={run}", "training.steps=40",
                    "training.checkpoint_interval=40"], check=True)

    configuration = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    print("learning rate of the configuration:", configuration["optimizer"]["learning_rate"])

    with open(run / "metrics.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["train/total_loss"]]
    for row in rows:
        print(f"step {row['step']}: loss {float(row['train/total_loss']):.4f}")

    with h5py.File(run / "checkpoints/latest") as file:
        weight = file["model/encoder.layers.0.attention.qkv.weight"]
        print("weights of the first attention layer:", weight.shape, weight.dtype)


if __name__ == "__main__":
    main()
