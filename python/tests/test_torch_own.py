"""Models of own features, identities and classes give the answers of kaon in PyTorch and ONNX. Skipped without PyTorch,
or without a built kaon."""

import h5py
import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch", reason="PyTorch is not installed; pip install './python[test,onnx]'")
pytest.importorskip("safetensors")
import kaon_torch  # noqa: E402
from kaon_data.cli import convert_table  # noqa: E402
from trained import finetune, kaon, needs_kaon, pretrain  # noqa: E402

pytestmark = needs_kaon

KINDS = ["jet", "charged track", "photon", "muon"]
CLASSES = ["few", "many"]
SHARED = {
    "format": "npz", "valid": "p > 0", "classes": {"few": "n < 7", "many": "n >= 7"},
    "identities": KINDS, "identity": "kind",
}
#: Descriptions for convert-table, and the configurations of a backbone and of a head.
DATA = {
    # Only charged tracks and muons have impact parameters; the azimuth itself is not a feature.
    "events": (
        SHARED | {"features": {"pt": "p", "eta": "x", "phi": "y", "d0": "d", "cosphi": "cos(y)", "sinphi": "sin(y)"}},
        "[pt, eta, cosphi, sinphi, d0]", """
objective: mpm_v2
model:
  encoder: {width: 32, layers: 2, heads: 4, registers: 2, layer_scale: 0.5}
  decoder: {width: 16, layers: 1, heads: 2}
tasks: {regression: {}, particle_id: {}}
"""),
    "events with pairs": (
        SHARED | {"features": {"pt": "p", "eta": "x", "phi": "y", "log_pt": "log(p)"}},
        "[log_pt, pt, eta, phi]", """
objective: mpm_v2
model:
  encoder: {width: 32, layers: 2, heads: 4, registers: 0, layer_scale: 0.5, pairs: {features: [ln_dr, ln_kt, ln_m2],
                                                                                   widths: [8]}}
  decoder: {width: 16, layers: 1, heads: 2}
tasks: {regression: {}}
"""),
    "jets": (
        SHARED | {"features": {"dphi": "y / 10", "deta": "x / 10", "pt": "p", "width": "d", "d0": "d"}},
        "[width, pt, d0, dphi, deta]", """
objective: mpm_v1
model: {encoder: {width: 32, layers: 2, heads: 4, hidden: 24}, position: backbone, identity: true}
tasks: {regression: {}}
"""),
}
HEAD = """
objective: classification
head: {width: 16, layers: 1, heads: 2}
"""


def convert(folder, description):
    """Files for training and test of 200 sets each."""
    random = np.random.default_rng(3)
    (folder / "description.yaml").write_text(yaml.safe_dump(description, sort_keys=False))
    for name in ("train", "test"):
        used = np.arange(12) < random.integers(1, 13, (200, 1))
        np.savez(
            folder / f"{name}.npz", p=used * (random.exponential(20, used.shape) + 1),
            x=random.normal(0, 1.5, used.shape), y=random.uniform(-3.14, 3.14, used.shape),
            d=random.normal(0, 0.1, used.shape), kind=random.integers(0, 4, used.shape), n=used.sum(axis=1))
        assert convert_table(
            [str(folder / "description.yaml"), str(folder / f"{name}.npz"), "--output", str(folder / name),
             "--workers", "1"]) == 0
    return folder / "train/jets_000.h5", folder / "test/jets_000.h5"


@pytest.fixture(scope="module", params=DATA)
def trained(request, tmp_path_factory):
    """The folder of the exports of a backbone and of a fine-tuned model, their answers, and the file of sets."""
    description, features, text = DATA[request.param]
    folder = tmp_path_factory.mktemp("own")
    train, test = convert(folder, description)
    keys = [f"data.train=[{train}]", f"data.features={features}", f"data.identities=[{','.join(KINDS)}]"]
    backbone = pretrain(folder, "run", text, *keys)
    run = finetune(
        folder, "tuned", HEAD, f"backbone={backbone}", "backbone_mode=fine_tuned", f"data.train=[{train}]",
        f"data.test=[{test}]", "fine_tuning={frozen_steps: 2, catch_up_steps: 2}", "run.evaluate=latest").parents[1]
    kaon("export", backbone, "--output", folder / "backbone.safetensors")
    kaon("export", run / "checkpoints/latest", "--all", "--card", "--output", folder / "model.safetensors")
    kaon("export", backbone, "--all", "--output", folder / "pretraining.safetensors")
    kaon("encode", backbone, f"data.test=[{test}]", "--output", folder / "encoded.h5")
    with h5py.File(run / "evaluation/predictions.h5") as file:
        scores = file["scores"][:]
    return folder, kaon_torch.read_embeddings(folder / "encoded.h5"), scores, test


def read(path, backbone):
    """Padded columns of the model, identities and mask of the sets of a file."""
    with h5py.File(path) as file:
        offsets = torch.from_numpy(file["offsets"][:])
        (csts, mask), (kinds, _) = (kaon_torch.pad(torch.from_numpy(file[name][:]), offsets)
                                    for name in ("csts", "csts_id"))
        return backbone.stored(csts, file["csts"].attrs["names"]), kinds.int(), mask


@torch.no_grad()
def test_answers_are_those_of_kaon(trained, tmp_path):
    folder, expected, scores, test = trained
    backbone, model = (kaon_torch.load(folder / f"{name}.safetensors") for name in ("backbone", "model"))
    assert backbone.embedding.identity.num_embeddings == len(KINDS) and model.classes == CLASSES
    csts, kinds, mask = read(test, backbone)
    encodings, offsets = kaon_torch.pack(*backbone(csts, kinds, mask=mask))
    assert np.array_equal(offsets, expected.offsets)
    largest = max(1, np.abs(expected.encodings).max())
    assert np.abs(encodings.numpy() - expected.encodings).max() < 1e-5 * largest
    found = model(csts, kinds, mask=mask)["scores"].numpy()
    assert found.shape == scores.shape and np.abs(found - scores).max() < 1e-5
    # The columns are used: without one of a feature the answers differ.
    assert np.abs(model(csts * 0, kinds, mask=mask)["scores"].numpy() - scores).max() > 1e-3

    kaon_torch.save(backbone, tmp_path / "saved.safetensors")
    kaon("encode", tmp_path / "saved.safetensors", f"data.test=[{test}]", "--output", tmp_path / "again.h5")
    assert np.array_equal(kaon_torch.read_embeddings(tmp_path / "again.h5").encodings, expected.encodings)


@torch.no_grad()
def test_a_pretraining_is_a_backbone(trained):
    """Also one that has a head of its own, as version 1."""
    folder, _, _, test = trained
    alone, whole = (kaon_torch.load(folder / f"{name}.safetensors") for name in ("backbone", "pretraining"))
    csts, kinds, mask = read(test, alone)
    assert all(map(torch.equal, alone(csts, kinds, mask=mask), whole(csts, kinds, mask=mask)))
    with pytest.raises(kaon_torch.FormatError, match="it is of the pre-training mpm_v"):
        kaon_torch.load(folder / "pretraining.safetensors", head=True)


@torch.no_grad()
def test_onnx_answers_are_those_of_kaon(trained, tmp_path, capsys):
    from kaon_torch.cli import main

    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is missing; pip install './python[onnx]'")
    folder, expected, scores, test = trained
    csts, kinds, mask = read(test, kaon_torch.load(folder / "backbone.safetensors"))
    given = {"csts": csts, "csts_id": kinds, "mask": mask, "jets": torch.arange(len(csts))}
    for name, card in (("backbone", []), ("model", ["--card"])):
        output = tmp_path / f"{name}.onnx"
        assert main([str(folder / f"{name}.safetensors"), "--output", str(output), *card]) == 0
        assert "largest difference between PyTorch and onnxruntime" in capsys.readouterr().out
        session = onnxruntime.InferenceSession(output)
        found = session.run(None, {each.name: given[each.name].numpy() for each in session.get_inputs()})
        if name == "model":
            assert np.abs(found[0] - scores).max() < 1e-5
        else:
            largest = max(1, np.abs(expected.encodings).max())
            assert np.abs(found[0][found[1]] - expected.encodings).max() < 1e-5 * largest
    columns = kaon_torch.load(folder / "backbone.safetensors").stored_features
    card = (tmp_path / "README.md").read_text()
    assert f"float32 [jets, slots, {len(columns)}], {', '.join(columns)} as stored" in card


def test_columns_that_do_not_fit_are_refused(trained):
    backbone = kaon_torch.load(trained[0] / "backbone.safetensors")
    names = backbone.features
    values = torch.arange(len(names), dtype=torch.float32).expand(2, 3, -1)
    stored = backbone.stored(values, names)
    assert [stored[1, 1, backbone.stored_features.index(name)] for name in names] == list(range(len(names)))
    with pytest.raises(ValueError, match=f"the features {names[0]} are missing; there are"):
        backbone.stored(values[..., 1:], names[1:])
    with pytest.raises(ValueError, match="csts has 2 columns; needed are pt, deta, dphi"):
        backbone(values[..., :2], torch.zeros(2, 3, dtype=torch.int32), mask=torch.ones(2, 3))
