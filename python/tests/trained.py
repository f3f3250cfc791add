"""Runs kaon: trains small models for tests. `needs_kaon` skips tests without a built kaon."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
JETS = ROOT / "Tests/Fixtures/jets"
KAON = os.environ.get("KAON") or shutil.which("kaon") or str(ROOT / ".build/release/kaon")

needs_kaon = pytest.mark.skipif(
    not os.path.exists(KAON), reason="no kaon here; swift build -c release --product kaon")


def kaon(*arguments, **options):
    outcome = subprocess.run([KAON, *map(str, arguments)], capture_output=True, text=True, **options)
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout


def pretrain(folder, name, text, *overrides):
    """Checkpoint of a short training with large steps, so that no parameter stays at a value that hides mistakes."""
    return _train("pretrain", folder, name, text, f"data.train=[{JETS}/val.h5]", "preprocessing.jets=500", *overrides)


def finetune(folder, name, text, *overrides):
    """The same for a downstream task, evaluated on `data.test` if the overrides have that key."""
    return _train("finetune", folder, name, text, *overrides)


def _train(command, folder, name, text, *overrides):
    configuration = folder / f"{name}.yaml"
    configuration.write_text(text)
    kaon(
        command, configuration, f"run.directory={folder}/{name}", "seed=77", "optimizer.learning_rate=0.01",
        "schedule={name: constant}", "training.steps=20", "training.batch_size=32", "parallel.threads=1", *overrides)
    return folder / name / "checkpoints/latest"
