"""Fine-tuned models in PyTorch and ONNX give the predictions of `kaon evaluate`. Skipped without PyTorch, and for ONNX
without onnxruntime, or without a built kaon."""

import json

import h5py
import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch", reason="PyTorch is not installed; pip install './python[test,onnx]'")
pytest.importorskip("safetensors")
import kaon_torch  # noqa: E402
from kaon_torch.cli import main  # noqa: E402
from kaon_torch.heads import components  # noqa: E402
from trained import JETS, finetune, kaon, needs_kaon, pretrain  # noqa: E402

pytestmark = needs_kaon

BACKBONES = {
    "version 2": """
objective: mpm_v2
model:
  encoder: {width: 32, layers: 2, heads: 4, registers: 3, layer_scale: 0.5}
  decoder: {width: 16, layers: 1, heads: 2}
tasks: {regression: {}}
""",
    "bare": """
objective: mpm_v2
model: {encoder: {width: 32, layers: 2, heads: 4, registers: 0}, decoder: {width: 16, layers: 1, heads: 2}}
tasks: {regression: {}}
""",
    "version 1": """
objective: mpm_v1
model: {encoder: {width: 32, layers: 2, heads: 4, hidden: 24, dropout: 0.1}, position: backbone, identity: true}
tasks: {regression: {}}
""",
    "clusters": """
objective: mpm_v1
model: {encoder: {width: 16, layers: 2, heads: 2, hidden: 16}, inputs: {name: kmeans, clusters: 32, fit_jets: 100}}
tasks: {regression: {}}
""",
}
JETCLASS, BTAG = JETS / "test.h5", JETS / "btag.h5"
#: Backbone, file of jets, and configuration of fine-tuned models.
TASKS = {
    "classification": ("version 2", JETCLASS, """
objective: classification
head: {width: 16, layers: 2, heads: 4}
"""),
    "unseen classes": ("clusters", JETCLASS, """
objective: classification
data: {classes: [Tbqq, Wqq, Zqq], max_constituents: 40}
head: {width: 16, layers: 1, heads: 2, feedforward_multiplier: 2, norm: false}
"""),
    "weighted pooling": ("version 1", JETCLASS, """
objective: classification
head: {name: weighted_pooling}
"""),
    "mean pooling": ("bare", JETCLASS, """
objective: classification
head: {name: mean_pooling, width: 24}
"""),
    "cwola": ("version 2", JETCLASS, """
objective: cwola
cwola: {background: [QCD], signal: [Tbqq]}
head: {width: 16, layers: 1, heads: 2}
"""),
    "regression": ("version 2", JETCLASS, """
objective: regression
regression: {target: jets/mass, relative_to: jets/pt, loss: gaussian}
head: {width: 16, layers: 1, heads: 2}
"""),
    "flavour tagging": ("bare", BTAG, """
objective: classification
data: {max_constituents: 6}
head: {width: 16, layers: 1, heads: 2}
"""),
    "vertexing": ("version 2", BTAG, """
objective: vertexing
head: {width: 24, layers: 2, distances: backbone, activation: gelu, norm: true, dropout: 0.1}
"""),
    "vertexing with defaults": ("bare", BTAG, "objective: vertexing\n"),
    "track origin": ("version 2", BTAG, """
objective: track_origin
data: {max_constituents: 8}
head: {width: 24, layers: 3, activation: leaky_relu, norm: true, dropout: 0.1}
"""),
}


@pytest.fixture(scope="module")
def onnxruntime():
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name, reason=f"{name} is not installed; pip install './python[onnx]'")
    return pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def backbones(tmp_path_factory):
    """The checkpoints of the pre-trainings, trained when they are first needed."""
    folder, found = tmp_path_factory.mktemp("backbones"), {}

    def get(name):
        if name not in found:
            found[name] = pretrain(folder, name.replace(" ", "-"), BACKBONES[name])
        return found[name]

    return get


def fine_tuned(folder, backbone, jets, text):
    """The run folder of a fine-tuned model."""
    train = JETS / "train.h5" if jets == JETCLASS else BTAG
    return finetune(
        folder, "tuned", text, f"backbone={backbone}", "backbone_mode=fine_tuned", f"data.train=[{train}]",
        f"data.test=[{jets}]", "fine_tuning={frozen_steps: 2, catch_up_steps: 2}", "run.evaluate=latest").parents[1]


@pytest.fixture(scope="module", params=TASKS)
def task(request, tmp_path_factory, backbones):
    """A file of jets, the export of a model that was trained with such jets, and its predictions."""
    backbone, jets, text = TASKS[request.param]
    folder = tmp_path_factory.mktemp("task")
    run = fine_tuned(folder, backbones(backbone), jets, text)
    kaon("export", run / "checkpoints/latest", "--all", "--output", folder / "model.safetensors")
    return jets, folder / "model.safetensors", predictions(run / "evaluation")


def predictions(folder):
    with h5py.File(folder / "predictions.h5") as file:
        return {name: dataset[()] for name, dataset in file.items()}


def read_jets(path, labels=None):
    """Padded features, identities and masks, of jets with these labels, and the indices of the jets."""
    with h5py.File(path) as file:
        csts, csts_id = (torch.from_numpy(file[name][:]) for name in ("csts", "csts_id"))
        names, stored = list(file["labels"].attrs["names"]), file["labels"][:]
        if "mask" in file:
            mask = torch.from_numpy(file["mask"][:])
        else:
            offsets = torch.from_numpy(file["offsets"][:])
            (csts, mask), (csts_id, _) = kaon_torch.pad(csts, offsets), kaon_torch.pad(csts_id, offsets)
    chosen = np.isin(stored, [names.index(each) for each in labels]) if labels else np.ones(len(stored), bool)
    return csts[chosen], csts_id[chosen].int(), mask[chosen], torch.from_numpy(np.nonzero(chosen)[0])


def task_jets(jets, model):
    """The jets that a task was evaluated on."""
    configuration = yaml.safe_load(model.metadata["configuration"])
    classes = configuration["data"]["classes"]
    if model.task == "cwola":
        classes = configuration["cwola"]["background"] + configuration["cwola"]["signal"]
    return read_jets(jets, None if classes == "all" else classes)


def reference_of(jets, model):
    """What the predictions of a regression are relative to, by name of the argument."""
    if model.task != "regression":
        return {}
    with h5py.File(jets) as file:
        return {"reference": torch.from_numpy(file["jets"][:, 0])}


def check(found, expected, mask):
    """Compares padded predictions with those of `kaon evaluate`."""
    for name in ("predicted", "sigma"):
        if name in found:
            assert np.abs(found[name] / expected[name] - 1).max() < 1e-5
    if "scores" in found:
        assert found["scores"].shape == expected["scores"].shape
        assert np.abs(found["scores"] - expected["scores"]).max() < 1e-5
    if "origin_scores" in found:
        assert np.abs(found["origin_scores"][mask] - expected["origin_scores"]).max() < 1e-5
        assert (found["origin_scores"][~mask] == 0).all()
    if "pair_scores" in found:
        jets, first, second = np.nonzero(np.triu(mask[:, :, None] & mask[:, None], 1))
        ours = found["pair_scores"][jets, first, second]
        assert np.abs(ours - expected["pair_scores"]).max() < 1e-5
        # A pair at the threshold may be on either side.
        clear = np.ones(len(mask), bool)
        clear[jets[np.abs(ours - 0.5) < 1e-5]] = False
        assert clear.mean() > 0.9
        start = np.concatenate([[0], np.cumsum(mask.sum(1))])
        for jet in np.nonzero(clear)[0]:
            wanted = expected["predicted_vertex"][start[jet]:start[jet + 1]]
            assert np.array_equal(found["predicted_vertex"][jet][mask[jet]], wanted)
        assert (found["predicted_vertex"][~mask] == -1).all()


def used(mask, longest):
    """The mask of the constituents that a model uses."""
    return (mask & (mask.cumsum(1) <= longest)).numpy()


@torch.no_grad()
def test_predictions_are_those_of_kaon(task, tmp_path):
    jets, path, expected = task
    model = kaon_torch.load(path, head=True)
    csts, csts_id, mask, numbers = task_jets(jets, model)
    kept, reference = used(mask, model.backbone.max_constituents), reference_of(jets, model)
    found = model(csts, csts_id, mask=mask, jets=numbers, **reference)
    padded = {name: each.numpy() for name, each in found.items()}
    check(padded, expected, kept)
    assert set(padded) <= set(expected)
    if model.task == "classification":
        assert len(model.classes) == expected["scores"].shape[1]

    (values, starts), (identities, _) = kaon_torch.pack(csts, mask), kaon_torch.pack(csts_id, mask)
    packed = model(values, identities, offsets=starts, jets=numbers, **reference)
    for name, each in packed.items():
        assert each.shape == expected[name].shape
        if name != "predicted_vertex":
            assert np.abs(each.numpy() - expected[name]).max() < 1e-5 * max(1, np.abs(expected[name]).max())

    if reference:
        with pytest.raises(TypeError, match="relative to jets/pt: give these numbers as reference"):
            model(csts, csts_id, mask=mask)

    # Written and read by kaon, and the backbone alone.
    kaon_torch.save(model, tmp_path / "saved.safetensors")
    keys = [] if jets == JETCLASS else [f"data.test=[{BTAG}]"]
    kaon("evaluate", tmp_path / "saved.safetensors", *keys, "--output", tmp_path / "again")
    again = predictions(tmp_path / "again")
    assert all(np.array_equal(again[name], expected[name]) for name in expected)
    backbone = kaon_torch.load(path, head=False)
    assert isinstance(backbone, kaon_torch.Backbone)
    ours, _ = backbone(csts, csts_id, mask=mask)
    theirs, _ = model.backbone(csts, csts_id, mask=mask)
    assert torch.equal(ours, theirs)


@torch.no_grad()
def test_onnx_gives_the_predictions_of_kaon(onnxruntime, task, tmp_path):
    jets, path, expected = task
    model = kaon_torch.load(path)
    kaon_torch.export_onnx(path, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    csts, csts_id, mask, numbers = task_jets(jets, model)

    def run(*arrays, **more):
        given = dict(zip(("csts", "csts_id", "mask", "jets"), arrays)) | more
        names = [each.name for each in session.get_inputs()]
        found = session.run(None, {name: given[name].numpy() for name in names})
        return dict(zip([each.name for each in session.get_outputs()], found))

    ours = run(csts, csts_id, mask, numbers, **reference_of(jets, model))
    check(ours, expected, used(mask, model.backbone.max_constituents))
    kept = {key: json.loads(value) if key == "classes" else value
            for key, value in session.get_modelmeta().custom_metadata_map.items()}
    assert kept["configuration"] == model.metadata["configuration"] and kept["step"] == "20"
    assert model.task != "classification" or kept["classes"] == model.classes

    # Other numbers of jets and constituents, holes in the mask, and a jet without constituents.
    for number, slots in ((1, 1), (2, 3), (7, mask.shape[1])):
        some = [each[:number, :slots].clone() for each in (csts, csts_id, mask)]
        some[2][:, ::3] = number == 2
        some[2][-1] = number == 1
        reference = {"reference": torch.ones(number)}
        ours = run(*some, torch.arange(number), **reference)
        for name, each in model(*some[:2], mask=some[2], **reference).items():
            assert ours[name].shape == each.shape and np.isfinite(ours[name]).all()
            assert np.abs(ours[name] - each.numpy()).max() < 1e-5


@torch.no_grad()
@pytest.mark.parametrize("noise", ["kaon", "zero"])
def test_onnx_of_a_backbone(onnxruntime, tmp_path, backbones, noise):
    path = tmp_path / "backbone.safetensors"
    kaon("export", backbones("version 2"), "--output", path)
    kaon("encode", backbones("version 2"), f"data.test=[{JETCLASS}]", "--output", tmp_path / "encoded.h5")
    kaon_torch.export_onnx(kaon_torch.load(path), tmp_path / "backbone.onnx", noise)
    session = onnxruntime.InferenceSession(tmp_path / "backbone.onnx")
    csts, csts_id, mask, numbers = read_jets(JETCLASS)
    # Beyond 32 bits, in which the noise counts jets in two words.
    numbers = numbers if noise == "zero" else numbers + 5_000_000_000
    given = {"csts": csts, "csts_id": csts_id, "mask": mask} | ({"jets": numbers} if noise == "kaon" else {})
    assert [each.name for each in session.get_inputs()] == list(given)
    encodings, encoded = session.run(None, {name: each.numpy() for name, each in given.items()})
    ours, ours_mask = kaon_torch.load(path)(csts, csts_id, mask=mask, jets=numbers, noise=noise)
    assert np.array_equal(encoded, ours_mask.numpy())
    assert np.abs(encodings - ours.numpy())[encoded].max() < 1e-5 * np.abs(ours.numpy()).max()
    if noise == "kaon":
        given["jets"] -= 5_000_000_000
        encodings, encoded = session.run(None, {name: each.numpy() for name, each in given.items()})
        expected = kaon_torch.read_embeddings(tmp_path / "encoded.h5").encodings
        assert np.abs(encodings[encoded] - expected).max() < 1e-5 * max(1, np.abs(expected).max())


def test_command_and_cards(onnxruntime, tmp_path, backbones, capsys):
    """`kaon export --card`, then `kaon-onnx --card`: one README.md, which model hubs can read."""
    run = fine_tuned(tmp_path, backbones("bare"), JETCLASS, TASKS["mean pooling"][2])
    export, output, card = (tmp_path / "hub" / name for name in ("model.safetensors", "model.onnx", "README.md"))
    export.parent.mkdir()
    kaon("export", run / "checkpoints/latest", "--all", "--card", "--license", "cc-by-4.0", "--output", export)
    before = card.read_text()
    assert main([str(export), "--output", str(output), "--card"]) == 0
    said = capsys.readouterr().out
    assert "outputs scores" in said and "largest difference between PyTorch and onnxruntime" in said
    after = card.read_text()
    assert after.startswith(before) and "- input `mask`: bool [jets, slots]" in after and after.count("## ONNX") == 1

    front = yaml.safe_load(after.split("---\n")[1])
    assert front["license"] == "cc-by-4.0" and front["pipeline_tag"] == "tabular-classification"
    assert {"kaon", "classification", "safetensors"} <= set(front["tags"])
    (entry,), = [each["results"] for each in front["model-index"]]
    measures = json.loads((run / "evaluation/metrics.json").read_text())["measures"]
    found = {each["type"]: each["value"] for each in entry["metrics"]}
    assert found == {name: value for name, value in measures.items() if np.isfinite(float(value))}
    assert yaml.safe_load(after.split("```yaml\n")[1].split("```")[0])["objective"] == "classification"
    assert kaon_torch.load(export).metadata["card"] == before

    # Refusals, before anything is written.
    assert main([str(export), "--output", str(output), "--card"]) == 1
    assert "model.onnx already exists; --force replaces it" in capsys.readouterr().err
    card.write_text("another model")
    assert main([str(export), "--output", str(tmp_path / "hub/other.onnx"), "--card"]) == 1
    assert "is not the card of this model; --force replaces it" in capsys.readouterr().err
    kaon("export", run / "checkpoints/latest", "--output", tmp_path / "plain.safetensors")
    for arguments, expected in (
        ([tmp_path / "plain.safetensors", "--card"], "no model card; create it with 'kaon export --card'"),
        ([tmp_path / "missing.safetensors"], "cannot be read"),
        ([run / "config.yaml"], "cannot be read"),
    ):
        assert main([*map(str, arguments), "--output", str(tmp_path / "x.onnx")]) == 1
        assert expected in capsys.readouterr().err
    for path, expected in (("x.bin", "must end in .onnx"), ("plain.safetensors/x.onnx", "is not a folder")):
        assert main([str(export), "--output", str(tmp_path / path)]) == 1
        assert expected in capsys.readouterr().err
    assert not [each for each in tmp_path.glob("*") if "onnx" in each.name]


def test_a_head_trains_on(tmp_path, backbones):
    """A step in PyTorch changes every parameter, and kaon reads the result."""
    run = fine_tuned(tmp_path, backbones("version 2"), JETCLASS, TASKS["classification"][2])
    kaon("export", run / "checkpoints/latest", "--all", "--output", tmp_path / "model.safetensors")
    model = kaon_torch.load(tmp_path / "model.safetensors").train()
    csts, csts_id, mask, numbers = (each[:64] for each in read_jets(JETCLASS))
    logits, _ = model.logits(csts, csts_id, mask, numbers)
    torch.nn.functional.cross_entropy(logits, numbers % 10).backward()
    assert all(each.grad is not None and each.grad.abs().sum() > 0 for each in model.parameters())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.1 * parameter.grad
        kaon_torch.save(model, tmp_path / "further.safetensors")
        kaon("evaluate", tmp_path / "further.safetensors", "--output", tmp_path / "further")
        scores = kaon_torch.load(tmp_path / "further.safetensors")(csts, csts_id, mask=mask)["scores"]
    assert np.abs(scores.numpy() - predictions(tmp_path / "further")["scores"][:64]).max() < 1e-5


def test_files_without_a_head_are_reported(tmp_path, backbones):
    run = fine_tuned(tmp_path, backbones("bare"), JETCLASS, TASKS["mean pooling"][2])
    path = tmp_path / "b.safetensors"
    kaon("export", run / "checkpoints/latest", "--output", path)
    assert isinstance(kaon_torch.load(path), kaon_torch.Backbone)
    with pytest.raises(kaon_torch.FormatError, match="b.safetensors has no head: it is the backbone of a model of "
                                                     "classification alone; 'kaon export --all' includes the head"):
        kaon_torch.load(path, head=True)
    kaon("export", backbones("bare"), "--all", "--output", tmp_path / "p.safetensors")
    with pytest.raises(kaon_torch.FormatError, match="p.safetensors has no head: it is of the pre-training mpm_v2"):
        kaon_torch.load(tmp_path / "p.safetensors", head=True)

    from safetensors.torch import load_file, save_file
    kaon("export", run / "checkpoints/latest", "--all", "--output", tmp_path / "m.safetensors")
    metadata, tensors = kaon_torch.load(tmp_path / "m.safetensors").metadata, load_file(tmp_path / "m.safetensors")
    other = metadata | {"configuration": metadata["configuration"].replace("mean_pooling", "median_pooling")}
    save_file(tensors, tmp_path / "other.safetensors", other)
    with pytest.raises(kaon_torch.FormatError, match="does not have the head median_pooling"):
        kaon_torch.load(tmp_path / "other.safetensors")
    other = metadata | {"configuration": metadata["configuration"].replace("mean_pooling", "weighted_pooling")}
    save_file(tensors, tmp_path / "other.safetensors", other)
    with pytest.raises(kaon_torch.FormatError, match="does not match its metadata: 'head.score.weight'"):
        kaon_torch.load(tmp_path / "other.safetensors")


def test_components_are_those_of_kaon():
    """Chains as long as a jet, and numbers in the order of first appearance."""
    count = 13
    accepted = torch.zeros(2, count, count, dtype=torch.bool)
    for first, second in ((0, 12), (12, 1), (1, 11), (11, 2), (2, 10), (10, 3), (3, 9), (9, 4), (4, 8), (8, 5), (5, 7)):
        accepted[0, first, second] = accepted[0, second, first] = True
    accepted[1, 3, 5] = accepted[1, 5, 3] = accepted[1, 7, 0] = accepted[1, 0, 7] = True
    mask = torch.ones(2, count, dtype=torch.bool)
    mask[1, 7:] = False
    found = components(accepted, mask, count)
    assert found[0].tolist() == [0] * 6 + [1] + [0] * 6
    assert found[1].tolist() == [0, 1, 2, 3, 4, 3, 5] + [-1] * 6
