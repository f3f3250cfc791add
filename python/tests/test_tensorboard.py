"""The event files of a real run, read with TensorBoard's own package."""

import csv
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

ROOT = Path(__file__).parents[2]
KAON = Path(os.environ.get("KAON", ROOT / ".build/release/kaon"))
JETS = ROOT / "Tests/Fixtures/jets"

pytestmark = pytest.mark.skipif(not KAON.exists(), reason="kaon is not built")


def command(folder, *overrides):
    return [
        KAON, "pretrain", ROOT / "configs/quickstart.yaml", f"run.directory={folder}", f"data.train=[{JETS}/val.h5]",
        f"data.validation=[{JETS}/test.h5]", "preprocessing.jets=500", "tasks.kmeans={clusters: 16, fit_jets: 60}",
        "model.encoder={width: 16, layers: 1, heads: 2}", "model.decoder={width: 16, layers: 1, heads: 2}",
        "training={batch_size: 20, validation_interval: 6, validation_jets: 40, checkpoint_interval: 4, "
        "log_interval: 3, tensorboard: {histogram_interval: 5}}", "parallel.threads=1", *overrides]


def train(folder, *overrides):
    environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    result = subprocess.run(command(folder, *overrides), capture_output=True, text=True, timeout=120, env=environment)
    assert result.returncode == 0, result.stderr


def read(folder):
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0, "tensors": 0})
    return accumulator.Reload()


def expect_the_rows_of(folder):
    """Every value of metrics.csv occurs exactly once, at its step, and no other value does."""
    with open(folder / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert rows
    events = read(folder)
    for column in [name for name in rows[0] if name not in ("step", "epoch", "jets")]:
        wanted = [(int(row["step"]), float(row[column])) for row in rows if row[column]]
        found = [(event.step, event.value) for event in events.Scalars(column)]
        assert [step for step, _ in found] == [step for step, _ in wanted], column
        np.testing.assert_allclose([value for _, value in found], [value for _, value in wanted], rtol=1e-6)
    return events


def test_a_run_and_its_continuation(tmp_path):
    # A run of four steps ends with rows outside the intervals, which are removed when it is continued.
    train(tmp_path, "training.steps=4")
    expect_the_rows_of(tmp_path)
    train(tmp_path, "training.steps=13")
    events = expect_the_rows_of(tmp_path)
    assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 2
    assert sorted({event.step for event in events.Scalars("train/total_loss")}) == [3, 6, 9, 12, 13]

    text = events.Tensors("configuration")[-1].tensor_proto.string_val[0].decode()
    config = (tmp_path / "config.yaml").read_text().splitlines()
    # The first lines of the file name the program and the command.
    assert text.rstrip().splitlines() == ["    " + line for line in config if not line.startswith("# ")]

    gradients = [tag for tag in events.Tags()["histograms"] if tag.startswith("gradients/encoder.")]
    assert gradients
    for tag in gradients:
        assert [event.step for event in events.Histograms(tag)] == [5, 10]
        histogram = events.Histograms(tag)[0].histogram_value
        assert sum(histogram.bucket) == histogram.num > 0
        assert histogram.min < histogram.max == histogram.bucket_limit[-1]
    # The norm of all gradients is that in the metrics.
    squares = sum(event.histogram_value.sum_squares for tag in events.Tags()["histograms"]
                  if tag.startswith("gradients/") for event in events.Histograms(tag) if event.step == 5)
    train(tmp_path / "again", "training.steps=5", "training.log_interval=1")
    norm = read(tmp_path / "again").Scalars("gradient_norm")[-1]
    assert norm.step == 5
    np.testing.assert_allclose(np.sqrt(squares), norm.value, rtol=1e-4)


def test_a_run_that_was_killed(tmp_path):
    """Rows after the last checkpoint are written again, and a truncated record does not end the reading."""
    process = subprocess.Popen(
        command(tmp_path, "training.steps=1000000", "training.log_interval=1", "training.checkpoint_interval=300"),
        stdout=subprocess.DEVNULL,
        env={**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"})
    latest = tmp_path / "checkpoints/latest"
    until = time.monotonic() + 60
    while not latest.exists() and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    first, = tmp_path.glob("events.out.tfevents.*")
    last = max(event.step for event in EventFileLoader(str(first)).Load())
    saved = int(os.readlink(latest)[5:13])
    assert last > saved
    with open(first, "r+b") as file:
        file.truncate(first.stat().st_size - 5)
    train(tmp_path, f"training.steps={saved + 3}", "training.log_interval=1")
    events = expect_the_rows_of(tmp_path)
    assert [event.step for event in events.Scalars("gradient_norm")] == list(range(1, saved + 4))


def test_without(tmp_path):
    train(tmp_path, "training.steps=2", "training.tensorboard.enabled=false")
    assert not list(tmp_path.glob("events.*"))


def test_results_and_hyperparameters(tmp_path):
    """The results of an evaluation are scalars beside metrics.json, and the settings belong to the plugin HParams."""
    from tensorboard.plugins.hparams import plugin_data_pb2

    arguments = [
        KAON, "finetune", ROOT / "configs/quickstart.yaml", f"run.directory={tmp_path}/run", "objective=classification",
        "backbone_mode=scratch", "~tasks", "~model.decoder", "~masking", f"data.train=[{JETS}/val.h5]",
        f"data.validation=[{JETS}/test.h5]", f"data.test=[{JETS}/test.h5]", "preprocessing.jets=500",
        "model.encoder={width: 16, layers: 1, heads: 2}", "head={width: 16, heads: 2}", "parallel.threads=1",
        "training={steps: 4, batch_size: 20, validation_interval: 2, validation_jets: 40, checkpoint_interval: 4}"]
    environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    ended = subprocess.run(arguments, capture_output=True, text=True, timeout=120, env=environment)
    assert ended.returncode == 0, ended.stderr

    report = json.loads((tmp_path / "run/evaluation/metrics.json").read_text())
    events = read(tmp_path / "run/evaluation")
    finite = {name: value for name, value in report["measures"].items() if isinstance(value, (int, float))}
    assert set(events.Tags()["scalars"]) == {f"test/{name}" for name in finite} and "accuracy" in finite
    for name, value in finite.items():
        (event,) = events.Scalars(f"test/{name}")
        assert event.step == report["step"] and event.value == pytest.approx(value, rel=1e-6)

    events = read(tmp_path / "run")
    found = {}
    for tag in ("session_start_info", "session_end_info"):
        metadata = events.SummaryMetadata(f"_hparams_/{tag}")
        assert metadata.plugin_data.plugin_name == "hparams"
        found[tag] = plugin_data_pb2.HParamsPluginData.FromString(metadata.plugin_data.content)
    settings = found["session_start_info"].session_start_info.hparams
    assert settings["objective"].string_value == "classification"
    assert settings["training.batch_size"].number_value == 20 and settings["data.shuffle"].bool_value is True
    assert not any(name.startswith(("run.", "parallel.", "data.train")) for name in settings)
    assert found["session_end_info"].session_end_info.status == 1
