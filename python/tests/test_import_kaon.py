"""Imported models in kaon: encodings, fine-tuning, and the way back to the authors' names. Skipped without kaon."""

import os
import shutil
import subprocess
from pathlib import Path

import h5py
import jetssl
import numpy as np
import pytest
import safetensors.numpy

from kaon_import.cli import main

ROOT = Path(__file__).resolve().parents[2]
JETS = ROOT / "Tests/Fixtures/jets"
KAON = os.environ.get("KAON") or shutil.which("kaon") or str(ROOT / ".build/release/kaon")

pytestmark = pytest.mark.skipif(
    not os.path.exists(KAON), reason="no kaon here; swift build -c release --product kaon")


def kaon(*arguments):
    ended = subprocess.run([KAON, *map(str, arguments)], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    return ended.stdout + ended.stderr


def imported(folder, model, *options):
    source, output = jetssl.save(folder / "in.pt", model.tensors), folder / "in.safetensors"
    heads = ["--heads", str(model.heads)]
    if any(name.startswith("decoder.") for name in model.tensors):
        heads += ["--decoder-heads", "2"]
    assert main([str(source), "--output", str(output), *heads, *map(str, options)]) == 0
    return output


def normal_quantiles(path, features):
    """A preprocessor that maps standard normal values to almost themselves, so that its inverse is simple."""
    from scipy.stats import norm
    rows = norm.ppf(np.linspace(1e-7, 1 - 1e-7, 2001))
    np.save(path, np.repeat(rows[:, None], features, 1))
    return path


@pytest.mark.parametrize("generation", jetssl.GENERATIONS)
@pytest.mark.parametrize("whole", [False, True])
def test_encodings_equal_those_of_the_model(tmp_path, generation, whole):
    model = jetssl.Model(generation, whole=whole)
    quantiles = normal_quantiles(tmp_path / "q.npy", 7)
    path = imported(tmp_path, model, "--preprocessor", quantiles)
    # Charged constituents only: those have no noise.
    rng = np.random.default_rng(0)
    values = rng.uniform(-2, 2, (20, 6, 7)).astype(np.float32)
    values[:, :, 0] = np.sort(np.abs(values[:, :, 0]) + 0.1)[:, ::-1]
    identities = rng.choice([1, 3, 4, 5, 6, 7], (20, 6))
    counts = rng.integers(1, 7, 20)
    with h5py.File(tmp_path / "jets.h5", "w") as file:
        file["csts"], file["csts_id"] = values, identities
        file["mask"] = np.arange(6) < counts[:, None]
        file["labels"] = np.zeros(20, np.int32)
    said = kaon("encode", path, f"data.test=[{tmp_path}/jets.h5]", "--output", tmp_path / "e.h5")
    assert "without a preprocessing" not in said
    from sklearn.preprocessing import QuantileTransformer
    fitted = QuantileTransformer(n_quantiles=2001, output_distribution="normal")
    fitted.quantiles_, fitted.references_ = np.load(quantiles), np.linspace(0, 1, 2001)
    fitted.n_features_in_ = 7
    with h5py.File(tmp_path / "e.h5") as file:
        encodings, offsets = file["encodings"][:], file["offsets"][:]
    for jet, count in enumerate(counts):
        inputs = fitted.transform(values[jet, :count].astype(np.float64))
        expected = model.encode(inputs, identities[jet, :count])
        found = encodings[offsets[jet]:offsets[jet + 1]]
        assert np.abs(found - expected).max() < 1e-5 * max(1, np.abs(expected).max())
    assert f"contents: {'model' if whole else 'backbone'}" in kaon("inspect", path)


MODES = {"fixed": "", "fine_tuned": "fine_tuning={frozen_steps: 1, catch_up_steps: 1}", "scratch": ""}


@pytest.mark.parametrize("mode", MODES)
def test_quantiles_are_fitted_to_the_jets_at_hand(tmp_path, mode):
    path = imported(tmp_path, jetssl.Model("jetssl-2024-10"))
    configuration = tmp_path / "c.yaml"
    configuration.write_text("objective: classification\nhead: {width: 8, layers: 1, heads: 2}\n")
    kaon_run = tmp_path / "run"
    said = kaon(
        "finetune", configuration, f"backbone={path}", f"backbone_mode={mode}", f"run.directory={kaon_run}",
        f"data.train=[{JETS}/val.h5]", f"data.test=[{JETS}/test.h5]", "training={steps: 3, batch_size: 16}",
        "schedule={name: constant}", "parallel.threads=1", *[MODES[mode]] * bool(MODES[mode]))
    assert f"{path} was imported without a preprocessing: quantiles are fitted to the training jets" in said
    assert (kaon_run / "evaluation/metrics.json").exists()
    # The fine-tuned model has its own preprocessing.
    assert "without a preprocessing" not in kaon(
        "encode", kaon_run / "checkpoints/latest", f"data.test=[{JETS}/test.h5]", "--output", tmp_path / "own.h5")
    said = kaon("encode", path, f"data.test=[{JETS}/test.h5]", "--output", tmp_path / "e.h5")
    assert "quantiles are fitted to 1000 jets of data.test" in said


@pytest.mark.parametrize("place", ["input", "hidden"])
@pytest.mark.parametrize("generation", jetssl.GENERATIONS)
def test_the_way_back(tmp_path, generation, place):
    """kaon export writes exactly the tensors of the module: names, shapes, types and, but for fitted ones, values."""
    model = jetssl.Model(generation, whole=True, context_place=place)
    path = imported(tmp_path, model)
    configuration = tmp_path / "c.yaml"
    configuration.write_text(f"""
objective: mpm_v2
run: {{directory: {tmp_path}/run}}
data: {{train: ["{JETS}/val.h5"]}}
model:
  initial_weights: {path}
  encoder: {{width: 16, layers: 2, heads: 2, registers: 3}}
  decoder: {{width: 8, layers: 1, heads: 2}}
tasks: {{particle_id: {{}}, regression: {{}}, kmeans: {{clusters: 16, fit_jets: 60, iterations: 2}},
        flow: {{condition: 5, context: {place}, layers: 3, width: 6}},
        flow_matching: {{condition: 5, width: 6, time_features: 4}}, probe: {{}}}}
optimizer: {{learning_rate: 0.0}}
schedule: {{name: constant}}
training: {{steps: 1, batch_size: 16}}
parallel: {{threads: 1}}
""")
    # The probe is no part of the imported model, so it is left out here.
    kaon("pretrain", configuration, "tasks.probe=null")
    checkpoint = tmp_path / "run/checkpoints/latest"
    for options, wanted in (
            (["--all"], model.tensors),
            ([], {name: value for name, value in model.tensors.items() if name.startswith(("csts_", "encoder."))})):
        output = tmp_path / f"{len(options)}.safetensors"
        kaon("export", checkpoint, "--names", generation, *options, "--output", output)
        found = safetensors.numpy.load_file(output)
        assert sorted(found) == sorted(wanted)
        for name, value in wanted.items():
            assert found[name].shape == value.shape and found[name].dtype == value.dtype, name
            if "ema_mlp" not in name and not name.endswith("kmeans.centroids"):
                assert np.array_equal(found[name], value), name


@pytest.mark.parametrize("generation", jetssl.GENERATIONS)
def test_any_model_in_any_generation(tmp_path, generation):
    """Trained norms and absent scales: the outputs are the same in every generation."""
    configuration = tmp_path / "c.yaml"
    configuration.write_text(f"""
objective: mpm_v2
run: {{directory: {tmp_path}/run}}
data: {{train: ["{JETS}/val.h5"]}}
model: {{encoder: {{width: 16, layers: 2, heads: 2, registers: 3, layer_scale: null}},
        decoder: {{width: 8, layers: 1, heads: 2}}}}
tasks: {{regression: {{}}, probe: {{}}}}
optimizer: {{learning_rate: 0.05}}
schedule: {{name: constant}}
training: {{steps: 15, batch_size: 16}}
parallel: {{threads: 1}}
""")
    kaon("pretrain", configuration)
    checkpoint, there = tmp_path / "run/checkpoints/latest", tmp_path / "there.safetensors"
    said = kaon("export", checkpoint, "--names", generation, "--all", "--output", there)
    assert "left out: tasks.probe" in said
    back = tmp_path / "back.safetensors"
    kaon("export", checkpoint, "--output", tmp_path / "own.safetensors")
    np.save(tmp_path / "q.npy", safetensors.numpy.load_file(tmp_path / "own.safetensors")["preprocessing/quantiles"])
    assert main([
        str(there), "--output", str(back), "--heads", "2", "--decoder-heads", "2", "--preprocessor",
        str(tmp_path / "q.npy")]) == 0
    encodings = []
    for number, path in enumerate((checkpoint, back)):
        kaon("encode", path, f"data.test=[{JETS}/test.h5]", "--output", tmp_path / f"{number}.h5")
        with h5py.File(tmp_path / f"{number}.h5") as file:
            encodings.append(file["encodings"][:])
    assert np.abs(encodings[0] - encodings[1]).max() < 1e-5 * np.abs(encodings[0]).max()
    kaon("evaluate", back, f"data.test=[{JETS}/test.h5]", "--output", tmp_path / "evaluation")
