#!/usr/bin/env python3
"""Encodes jets with a backbone that has seen no labels, and predicts their classes from the mean encodings by least
squares, a linear probe without training. A backbone of 100 steps is made first if there is none.

    python examples/encodings.py [FOLDER]
"""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np

JETS = "Tests/Fixtures/jets"


def encode(checkpoint: Path, jets: str, output: Path) -> tuple[np.ndarray, np.ndarray]:
    """The mean encoding of each jet [N, width], and the classes [N]."""
    subprocess.run(["kaon", "encode", checkpoint, f"data.test=[{jets}]", "--pool", "mean", "--output", output,
                    "--force"], check=True)
    with h5py.File(output) as file:
        return file["encodings"][:], file["labels"][:]


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/examples/encodings")
    subprocess.run(["kaon", "pretrain", "configs/quickstart.yaml", f"run.directory={folder}/backbone",
                    "training.steps=100", "training.checkpoint_interval=100"], check=True)
    checkpoint = folder / "backbone/checkpoints/latest"
    encodings, labels = encode(checkpoint, f"{JETS}/train.h5", folder / "train-encodings.h5")
    others, truth = encode(checkpoint, f"{JETS}/test.h5", folder / "test-encodings.h5")

    scale = encodings.std(axis=0) + 1e-6
    inputs, others = encodings / scale, others / scale
    targets = np.eye(labels.max() + 1)[labels]
    # Ridge regression with an offset: the added column of ones.
    inputs = np.column_stack([inputs, np.ones(len(inputs))])
    weights = np.linalg.solve(inputs.T @ inputs + np.eye(inputs.shape[1]), inputs.T @ targets)
    predictions = (np.column_stack([others, np.ones(len(others))]) @ weights).argmax(axis=1)
    print(f"accuracy of a linear probe: {(predictions == truth).mean():.3f}; by chance: {1 / targets.shape[1]:.3f}")


if __name__ == "__main__":
    main()
