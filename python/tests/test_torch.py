"""Backbones in PyTorch give the outputs of `kaon encode`. Skipped without PyTorch or without a built kaon."""

import json
import h5py
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; pip install './python[test,torch]'")
pytest.importorskip("safetensors")
import kaon_torch  # noqa: E402
from trained import JETS, kaon, needs_kaon, pretrain  # noqa: E402

pytestmark = needs_kaon

VQVAE = """
objective: vqvae
model: {encoder: {width: 16, layers: 2, heads: 2, hidden: 24}, decoder: {width: 16, layers: 1, heads: 2, hidden: 16},
        quantiser: {codes: 32, dimension: 4}}
vqvae: {fit_jets: 60, iterations: 3}
"""
RUNS = {
    "version 2": """
objective: mpm_v2
model:
  encoder: {width: 32, layers: 3, heads: 4, registers: 3, layer_scale: 0.5}
  decoder: {width: 16, layers: 1, heads: 2}
tasks: {regression: {}}
""",
    "pairs": """
objective: mpm_v2
model:
  encoder: {width: 32, layers: 2, heads: 4, registers: 3, layer_scale: 0.5, pairs: {features: [ln_m2, ln_dr, ln_z],
                                                                                  widths: [16, 8]}}
  decoder: {width: 16, layers: 1, heads: 2}
tasks: {regression: {}}
""",
    "bare": """
objective: mpm_v2
data: {features: [dz, pt, deta]}
model: {identity: false, encoder: {width: 16, layers: 1, heads: 2, registers: 0, layer_scale: null, final_norm: false,
                                   feedforward_multiplier: 3}, decoder: {width: 16, layers: 1, heads: 2}}
tasks: {regression: {}}
""",
    "set flow": """
objective: set_flow
model: {encoder: {width: 16, layers: 1, heads: 2, registers: 2}, decoder: {width: 16, layers: 1, heads: 2}}
""",
    "next token": """
objective: next_token
model: {encoder: {width: 32, layers: 2, heads: 4, registers: 2, layer_scale: 0.5},
        inputs: {clusters: 32, fit_jets: 100}}
next_token: {fit_jets: 60}
""",
    "version 1": """
objective: mpm_v1
model: {encoder: {width: 32, layers: 2, heads: 4, hidden: 24}, position: backbone, identity: true}
tasks: {regression: {}}
""",
    "clusters": """
objective: mpm_v1
model: {encoder: {width: 16, layers: 2, heads: 2, hidden: 16}, inputs: {name: kmeans, clusters: 32, fit_jets: 100}}
tasks: {regression: {}}
""",
    "bins": """
objective: mpm_v1
model: {encoder: {width: 16, layers: 2, heads: 2, hidden: 16}, inputs: {name: bins, bins: 8, fit_jets: 100}}
tasks: {regression: {}}
""",
    "codes": """
objective: mpm_v1
model: {encoder: {width: 16, layers: 2, heads: 2, hidden: 16}, inputs: {name: vqvae}}
tokenizer: {checkpoint: TOKENIZER}
tasks: {regression: {}}
""",
}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return pretrain(tmp_path_factory.mktemp("vqvae"), "vqvae", VQVAE)


@pytest.fixture(params=RUNS)
def run(request, tmp_path):
    """A backbone: its file, and the output of `kaon encode` for the test jets."""
    text = RUNS[request.param]
    if "TOKENIZER" in text:
        text = text.replace("TOKENIZER", str(request.getfixturevalue("tokenizer")))
    checkpoint = pretrain(tmp_path, "run", text)
    path, encoded = tmp_path / "backbone.safetensors", tmp_path / "encoded.h5"
    kaon("export", checkpoint, "--output", path)
    kaon("encode", checkpoint, f"data.test=[{JETS}/test.h5]", "--output", encoded)
    return path, kaon_torch.read_embeddings(encoded)


@pytest.fixture(scope="module")
def jets():
    with h5py.File(JETS / "test.h5") as file:
        return tuple(torch.from_numpy(file[name][:]) for name in ("csts", "csts_id", "mask"))


@torch.no_grad()
def test_says_what_kaon_says(run, jets, tmp_path):
    path, expected = run
    csts, csts_id, mask = jets
    backbone = kaon_torch.load(path)
    assert backbone.registers == expected.registers and backbone.width == expected.encodings.shape[1]

    padded, padded_mask = backbone(csts, csts_id, mask=mask)
    assert padded.shape == (len(csts), csts.shape[1] + backbone.registers, backbone.width)
    encodings, offsets = kaon_torch.pack(padded, padded_mask)
    assert np.array_equal(offsets, expected.offsets)
    assert differences(encodings, expected) < 1e-5

    (values, starts), (identities, _) = kaon_torch.pack(csts, mask), kaon_torch.pack(csts_id, mask)
    packed, offsets = backbone(values, identities, offsets=starts)
    assert np.array_equal(offsets, expected.offsets)
    assert differences(packed, expected) < 1e-5

    # Jets from the middle: the noise depends on their indices in the file.
    some = slice(40, 60)
    part, part_mask = backbone(csts[some], csts_id[some], mask=mask[some], jets=range(40, 60))
    first, last = expected.offsets[40], expected.offsets[60]
    assert np.abs(kaon_torch.pack(part, part_mask)[0].numpy() - expected.encodings[first:last]).max() < 1e-5

    # kaon reads the file written by PyTorch.
    kaon_torch.save(backbone, tmp_path / "saved.safetensors")
    kaon("encode", tmp_path / "saved.safetensors", f"data.test=[{JETS}/test.h5]", "--output", tmp_path / "again.h5")
    assert np.array_equal(kaon_torch.read_embeddings(tmp_path / "again.h5").encodings, expected.encodings)

    # The same encodings give the same file.
    kaon_torch.write_embeddings(
        tmp_path / "torch.h5", packed, expected.labels, offsets, backbone.registers, expected.class_names)
    ours = kaon_torch.read_embeddings(tmp_path / "torch.h5")
    assert differences(ours.encodings, expected) < 1e-5
    assert np.array_equal(ours.labels, expected.labels) and ours[2:] != () and ours.registers == expected.registers
    assert ours.class_names == expected.class_names and np.array_equal(ours.offsets, expected.offsets)


def differences(encodings, expected):
    """The largest difference, relative to the largest magnitude or 1."""
    return np.abs(np.asarray(encodings) - expected.encodings).max() / max(1, np.abs(expected.encodings).max())


def test_trains_on(tmp_path, jets):
    """A step in PyTorch changes every parameter and the outputs of the saved file."""
    path = tmp_path / "b.safetensors"
    kaon("export", pretrain(tmp_path, "run", RUNS["version 2"]), "--output", path)
    backbone = kaon_torch.load(path).train()
    csts, csts_id, mask = (x[:16] for x in jets)
    encodings, _ = backbone(csts, csts_id, mask=mask, noise="random")
    encodings.square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in backbone.parameters())
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter -= 0.1 * parameter.grad
    kaon_torch.save(backbone, tmp_path / "tuned.safetensors")
    tuned = kaon_torch.load(tmp_path / "tuned.safetensors").state_dict()
    assert all(torch.equal(value, tuned[name]) for name, value in backbone.state_dict().items())


def test_bad_files_are_reported(tmp_path):
    with pytest.raises(kaon_torch.FormatError, match="cannot be read"):
        kaon_torch.load(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("not a file of tensors")
    with pytest.raises(kaon_torch.FormatError, match="text.safetensors cannot be read"):
        kaon_torch.load(tmp_path / "text.safetensors")
    from safetensors.torch import save_file
    save_file({"w": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(kaon_torch.FormatError, match="no 'backbone' in its metadata"):
        kaon_torch.load(tmp_path / "other.safetensors")
    kaon("export", pretrain(tmp_path, "run", RUNS["bare"]), "--names", "jetssl", "--output", tmp_path / "p.safetensors")
    with pytest.raises(kaon_torch.FormatError, match="has the parameter names of jetssl"):
        kaon_torch.load(tmp_path / "p.safetensors")


def test_damaged_exports_are_reported(tmp_path):
    from safetensors import safe_open
    from safetensors.torch import save_file

    path = tmp_path / "export.safetensors"
    kaon("export", pretrain(tmp_path, "run", RUNS["bare"]), "--output", path)
    kaon_torch.load(path)
    with safe_open(path, framework="pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(kaon_torch.FormatError, match="is damaged: the checksum"):
        kaon_torch.load(path)
    del metadata["crc32"]
    shape = json.loads(metadata["backbone"])
    for change in ({"backbone": "{"}, {"backbone": "[]"}, {"backbone": json.dumps(shape | {"width": "x"})},
                   {"configuration": "a: [\n"}, {"configuration": ""}, {"features": "3"}, {"contents": None}):
        save_file(tensors, path, {key: value for key, value in (metadata | change).items() if value is not None})
        with pytest.raises(kaon_torch.FormatError, match="export.safetensors (does not match|has no)") as caught:
            kaon_torch.load(path)
        assert len(str(caught.value).splitlines()) == 1


def test_embeddings_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ValueError, match="3 encodings for 2 jets"):
        kaon_torch.write_embeddings(tmp_path / "x.h5", np.zeros((3, 4)), [0, 1])
    for offsets in ([0, 3], [0, 2, 4], [1, 2, 3], [0, 4, 3]):
        with pytest.raises(ValueError, match="do not divide"):
            kaon_torch.write_embeddings(tmp_path / "x.h5", np.zeros((3, 4)), [0, 1], offsets)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"encodings": None}, "no dataset encodings; create it with 'kaon encode'"),
        ({"labels": None}, "no dataset labels"),
        ({"encodings": np.zeros(3)}, "the dataset encodings has the type float64 and the shape"),
        ({"labels": "text"}, "the dataset labels has the type"),
        ({"offsets": np.array([0, 2, 1, 3])}, "the offsets do not divide 3 encodings among 2 jets"),
        ({"offsets": None}, "3 encodings for 2 jets, without offsets"),
        ({"registers": "two"}, "no attribute registers"),
        ({"registers": None}, "no attribute registers"),
    ],
)
def test_other_files_of_encodings_are_refused(tmp_path, change, expected):
    path = tmp_path / "e.h5"
    kaon_torch.write_embeddings(path, np.zeros((3, 4)), [0, 1], [0, 1, 3])
    with h5py.File(path, "a") as file:
        for name, value in change.items():
            holder = file.attrs if name == "registers" else file
            del holder[name]
            if value is not None:
                holder[name] = value
    with pytest.raises(kaon_torch.FormatError, match=expected):
        kaon_torch.read_embeddings(path)


@pytest.mark.parametrize("content", [None, b"", b"text", b"\x89HDF\r\n\x1a\n cut"])
def test_files_that_are_no_hdf5_are_refused(tmp_path, content):
    path = tmp_path / "e.h5"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(kaon_torch.FormatError, match="e.h5"):
        kaon_torch.read_embeddings(path)
    path.unlink(missing_ok=True)
    path.mkdir()
    with pytest.raises(kaon_torch.FormatError, match="cannot be read"):
        kaon_torch.read_embeddings(path)


@torch.no_grad()
@pytest.mark.parametrize("name", ["version 2", "version 1"])
def test_masks_with_holes(tmp_path, jets, name):
    """Constituents are numbered by used slots, as in kaon."""
    checkpoint = pretrain(tmp_path, "run", RUNS[name])
    csts, csts_id, mask = (x.clone() for x in jets)
    mask[:, ::3] = False
    mask[:, 1] = True
    with h5py.File(JETS / "test.h5") as source, h5py.File(tmp_path / "holes.h5", "w") as file:
        for key, values in (("csts", csts), ("csts_id", csts_id), ("mask", mask)):
            file[key] = values.numpy()
        source.copy("labels", file)
    kaon("export", checkpoint, "--output", tmp_path / "b.safetensors")
    kaon("encode", checkpoint, f"data.test=[{tmp_path}/holes.h5]", "--output", tmp_path / "encoded.h5")
    expected = kaon_torch.read_embeddings(tmp_path / "encoded.h5")
    backbone = kaon_torch.load(tmp_path / "b.safetensors")
    padded, padded_mask = backbone(csts, csts_id, mask=mask)
    assert torch.equal(padded_mask[:, backbone.registers:], mask.bool())
    encodings, offsets = kaon_torch.pack(padded, padded_mask)
    assert np.array_equal(offsets, expected.offsets) and differences(encodings, expected) < 1e-5


@torch.no_grad()
def test_constant_and_narrow_features(tmp_path, jets):
    """All values are at both ends of the quantiles."""
    csts, csts_id, mask = (x.clone() for x in jets)
    csts[..., 3:5] = 0.25
    csts[..., 5] = torch.where(csts[..., 5] > 0, 5e-8, 0)
    with h5py.File(JETS / "test.h5") as source, h5py.File(tmp_path / "constant.h5", "w") as file:
        for key, values in (("csts", csts), ("csts_id", csts_id), ("mask", mask)):
            file[key] = values.numpy()
        source.copy("labels", file)
    data = f"[{tmp_path}/constant.h5]"
    checkpoint = pretrain(tmp_path, "run", RUNS["version 2"], f"data.train={data}")
    kaon("export", checkpoint, "--output", tmp_path / "b.safetensors")
    kaon("encode", checkpoint, f"data.test={data}", "--output", tmp_path / "encoded.h5")
    backbone = kaon_torch.load(tmp_path / "b.safetensors")
    values = backbone.preprocessing(csts, csts_id)[mask.bool() & (csts_id % 2 == 1)]
    assert (values[:, 3:6] == -backbone.preprocessing.LIMIT).all()
    encodings, _ = kaon_torch.pack(*backbone(csts, csts_id, mask=mask))
    assert differences(encodings, kaon_torch.read_embeddings(tmp_path / "encoded.h5")) < 1e-5


@torch.no_grad()
def test_imported_models(tmp_path, jets):
    """A model of the authors' code: refused without a preprocessing, equal to `kaon encode` with one."""
    import jetssl

    from kaon_import.cli import main

    model = jetssl.Model("jetssl-2024-08")
    torch.save({name: torch.from_numpy(value) for name, value in model.tensors.items()}, tmp_path / "in.pt")
    path = tmp_path / "imported.safetensors"
    assert main([str(tmp_path / "in.pt"), "--output", str(path), "--heads", "2"]) == 0
    backbone = kaon_torch.load(path)
    csts, csts_id, mask = jets
    with pytest.raises(RuntimeError, match="imported without a preprocessing"):
        backbone(csts, csts_id, mask=mask)
    values = torch.randn(4, 5, 7)
    encodings, _ = backbone.encode(values, csts_id[:4, :5], torch.ones(4, 5))
    expected = model.encode(values[2].double().numpy(), csts_id[2, :5].numpy())
    assert np.abs(encodings[2].numpy() - expected).max() < 1e-5 * max(1, np.abs(expected).max())

    used = csts[mask.bool()].double()
    shares = torch.linspace(0, 1, 200, dtype=torch.float64)
    quantiles = torch.stack([torch.quantile(column[:10_000], shares) for column in used.T], 1)
    backbone.preprocessing = kaon_torch.QuantilePreprocessing(kaon_torch.preprocessing.FEATURES, quantiles)
    kaon_torch.save(backbone, tmp_path / "saved.safetensors")
    kaon("encode", tmp_path / "saved.safetensors", f"data.test=[{JETS}/test.h5]", "--output", tmp_path / "e.h5")
    padded, padded_mask = kaon_torch.load(tmp_path / "saved.safetensors")(csts, csts_id, mask=mask)
    found, _ = kaon_torch.pack(padded, padded_mask)
    assert differences(found, kaon_torch.read_embeddings(tmp_path / "e.h5")) < 1e-5
