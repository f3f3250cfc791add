"""Creates run folders like those of kaon, with made-up results."""

import json

import h5py
import numpy as np
import yaml


def make_run(folder, measures, objective="classification", seed=0, mode="fine_tuned",
             backbone="runs/kmeans/checkpoints/best", steps=100, done=None, patience=None, losses=None, jets=1000,
             evaluated=True, tables=None, classes=None, **keys):
    """Writes a run with `done` completed steps; in `keys`, double underscores stand for dots. `losses` are the
    validation losses, one every ten steps."""
    folder.mkdir(parents=True)
    done = steps if done is None else done
    config = {
        "seed": seed, "run": {"directory": str(folder), "time_limit": None},
        "data": {"train": ["data/train.h5"], "jets": jets, "classes": "all"},
        "backbone": backbone, "objective": objective, "backbone_mode": mode,
        "fine_tuning": {"frozen_steps": 20, "catch_up_steps": 20}, "model": {"encoder": {"width": 128}},
        "optimizer": {"learning_rate": 0.001, "epsilon": 1.0e-08},
        "training": {"steps": steps, "validation_interval": 10, "log_interval": 5, "early_stopping_patience": patience},
        "parallel": {"threads": "auto"},
    }
    for key, value in keys.items():
        *sections, last = key.split("__")
        place = config
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    terms = ["total_loss", f"{objective}_loss", "accuracy"]
    heading = ["step", "epoch", "jets", *(f"{part}/{term}" for part in ("train", "valid") for term in terms),
               "learning_rate", "gradient_norm", "skipped_steps", "jets_per_second", "data_wait_ms"]
    rows = [",".join(heading)]
    for step in range(5, done + 1, 5):
        loss = 1 + np.exp(-step / 30)
        number = step // 10 - 1
        valid = losses[number] if losses is not None and step % 10 == 0 else loss + 0.1
        rows.append(",".join(map(str, [
            step, 0, 256 * step, loss, loss, 1 - loss / 3, *([valid, valid, 0.6] if step % 10 == 0 else ["", "", ""]),
            0.001 * np.cos(step / steps), 1 + 1 / step, 0, 500.0, 1.25])))
    (folder / "metrics.csv").write_text("\n".join(rows) + "\n")
    (folder / "kaon.log").write_text("2026-01-01T00:00:00Z info: data: 168678 training jets in 1 file, 10 classes\n")
    if evaluated:
        report = {"checkpoint": f"{folder}/checkpoints/best", "objective": objective, "jets": 500, "measures": measures,
                  "tables": tables or {}}
        if classes:
            report["classes"] = classes
        (folder / "evaluation").mkdir()
        (folder / "evaluation" / "metrics.json").write_text(json.dumps(report))
    return folder


def write_predictions(path, classes=None, **columns):
    """Writes datasets like `kaon evaluate`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file[name] = values
        if classes:
            file.attrs["classes"] = classes
    return path


def scores_for(labels, classes, rng, sharpness=1.0):
    """Random probabilities correlated with the labels, in single precision like kaon's."""
    logits = rng.normal(size=(len(labels), classes))
    logits[np.arange(len(labels)), labels] += sharpness
    scores = np.exp(logits)
    return (scores / scores.sum(axis=1, keepdims=True)).astype("f4")
