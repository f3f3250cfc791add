#!/usr/bin/env python3
"""Writes jets from NumPy arrays to a file that kaon reads, and trains a few steps on it.

    python examples/own-jets.py [FOLDER]
"""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np

FEATURES = ["pt", "deta", "dphi", "d0", "d0err", "dz", "dzerr"]
IDENTITIES = ["photon", "negative hadron", "neutral hadron", "positive hadron"]


def invented_jets(count: int, rng: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Jets of two classes, whose radius differs: features and identities of each jet, and the classes."""
    features, identities = [], []
    classes = rng.integers(0, 2, count)
    for label in classes:
        size = rng.integers(10, 40)
        pt = np.sort(rng.exponential(20, size) + 0.5)[::-1]
        angles = rng.normal(0, [0.05, 0.2][label], (size, 2))
        identity = rng.integers(0, 4, size)
        charged = (identity % 2 == 1)[:, None]
        # Neutral constituents have no track, hence no impact parameters.
        tracks = np.where(charged, rng.normal(0, 0.05, (size, 4)), 0)
        tracks[:, [1, 3]] = np.where(charged, np.abs(tracks[:, [1, 3]]) + 0.01, 0)
        features.append(np.column_stack([pt, angles, tracks]).astype(np.float32))
        identities.append(identity.astype(np.int32))
    return features, identities, classes


def write(path: Path, count: int, rng: np.random.Generator) -> None:
    """Writes the packed layout of docs/data.md: all constituents in a row, and where each jet begins."""
    features, identities, classes = invented_jets(count, rng)
    with h5py.File(path, "w") as file:
        file.attrs["layout"] = "kaon packed"
        file.attrs["layout_version"] = 1
        file["offsets"] = np.cumsum([0, *map(len, features)]).astype(np.int64)
        file["csts"] = np.concatenate(features)
        file["csts"].attrs["names"] = FEATURES
        file["csts_id"] = np.concatenate(identities)
        file["csts_id"].attrs["names"] = IDENTITIES
        file["labels"] = classes
        file["labels"].attrs["names"] = ["narrow", "wide"]


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/examples/own-jets")
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    write(folder / "train.h5", 2000, rng)
    write(folder / "val.h5", 500, rng)
    subprocess.run(["kaon", "inspect", folder / "train.h5"], check=True)
    subprocess.run(["kaon", "pretrain", "configs/quickstart.yaml", f"data.train=[{folder}/train.h5]",
                    f"data.validation=[{folder}/val.h5]", f"data.identities=[{','.join(IDENTITIES)}]",
                    f"run.directory={folder}/run", "training.steps=40", "tasks.kmeans.fit_jets=2000"], check=True)


if __name__ == "__main__":
    main()
