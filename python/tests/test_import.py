"""kaon-import: models of the authors' code in three generations of names."""

import json
import os
import pickle
import zlib

import jetssl
import joblib
import numpy as np
import pytest
import safetensors.numpy
import yaml
from safetensors import safe_open
from sklearn.preprocessing import QuantileTransformer

from kaon_import.cli import main

# Names in kaon of some tensors, written out to be independent of the code.
EXPECTED = {
    "jetssl-2024-08": {
        "encoder.layers.1.attn.norm.weight": "encoder.layers.1.attention_norm.weight",
        "encoder.layers.1.attn.fn.attn_in_w": "encoder.layers.1.attention.qkv.weight",
        "encoder.layers.1.attn.ls.gamma": "encoder.layers.1.attention_scale",
        "encoder.layers.0.ff.ls.gamma": "encoder.layers.0.feedforward_scale",
    },
    "jetssl-2024-10": {
        "encoder.layers.1.res_attn.norm.bias": "encoder.layers.1.attention_norm.bias",
        "encoder.layers.1.res_attn.fn.attn_in_b": "encoder.layers.1.attention.qkv.bias",
        "encoder.layers.1.res_attn.gate": "encoder.layers.1.attention_scale",
        "encoder.layers.0.ff.gate": "encoder.layers.0.feedforward_scale",
    },
    "jetssl": {
        "encoder.layers.1.attn.fn.attn_in.weight": "encoder.layers.1.attention.qkv.weight",
        "encoder.layers.1.attn.gate": "encoder.layers.1.attention_scale",
        "encoder.layers.0.ff.gate": "encoder.layers.0.feedforward_scale",
    },
}
WHOLE = {
    "null_token": "decoder.null_tokens", "enc_to_dec.bias": "encoder_to_decoder.bias",
    "tasks.id.head.weight": "tasks.particle_id.head.weight", "tasks.reg.head.bias": "tasks.regression.head.bias",
    "tasks.kmeans.head.weight": "tasks.kmeans.head.weight", "tasks.flow.head.weight": "tasks.flow.context.weight",
    "tasks.flow.flow.flows.2.prqct.unconditional_transform.unnormalized_heights":
        "tasks.flow.flow.layers.2.spline.heights",
    "tasks.flow.flow.flows.1.prqct.transform_net.hidden_blocks.0.layers.0.weight":
        "tasks.flow.flow.layers.1.network.hidden.0.weight",
    "tasks.flow.flow.flows.0.prqct.transform_net.output_block.layers.0.bias":
        "tasks.flow.flow.layers.0.network.output.bias",
    "tasks.diff.head.bias": "tasks.flow_matching.condition.bias",
    "tasks.diff.diff.mlp.hidden_blocks.1.layers.0.weight": "tasks.flow_matching.head.layers.2.linear.weight",
    "tasks.diff.diff.mlp.input_block.layers.2.bias": "tasks.flow_matching.head.layers.0.norm.bias",
    "tasks.diff.diff.ema_mlp.output_block.layers.0.weight":
        "objective/tasks/flow_matching/average/head.output.weight",
}


@pytest.fixture
def call(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(source, *options, output="out.safetensors"):
        """Exit code, and the only line of an error or else the whole output."""
        code = main([str(source), "--output", output, *map(str, options)])
        captured = capsys.readouterr()
        if code == 0:
            assert captured.err == ""
            return 0, captured.out
        assert len(captured.err.splitlines()) == 1, captured.err
        assert not os.path.exists(output)
        return code, captured.err.removeprefix("kaon-import: ").rstrip()

    return call


def read(path="out.safetensors"):
    with safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()


def hydra(content):
    """A configuration as omegaconf pickles it."""
    if isinstance(content, dict):
        return jetssl.stub(
            "omegaconf.dictconfig.DictConfig", _content={key: hydra(value) for key, value in content.items()})
    return jetssl.stub("omegaconf.nodes.AnyNode", _val=content)


@pytest.mark.parametrize("form", ["pt", "safetensors", "ckpt", "hydra", "compiled"])
@pytest.mark.parametrize("generation", jetssl.GENERATIONS)
def test_backbones(call, generation, form):
    model = jetssl.Model(generation)
    options = ["--heads", 2]
    if form == "safetensors":
        safetensors.numpy.save_file(model.tensors, "in.safetensors")
    elif form in ("ckpt", "hydra"):
        layers = {"attn_config": {"num_heads": 2}} if generation == "jetssl" else {"num_heads": 2}
        encoder = {"layer_config": layers}
        jetssl.save(f"in.{form}", {
            "state_dict": model.tensors, "epoch": 3, "optimizer_states": [],
            "hyper_parameters": {
                "encoder_config": hydra(encoder) if form == "hydra" else encoder,
                "optimizer": jetssl.stub("functools.partial", x=1),
                "tasks": jetssl.stub("omegaconf.dictconfig.DictConfig")}})
        options = []
    else:
        prefix = "_orig_mod." if form == "compiled" else ""
        jetssl.save(f"in.{form}", {prefix + name: value for name, value in model.tensors.items()})
    code, said = call(f"in.{form}", *options)
    assert code == 0 and f"backbone with the names of {generation}" in said and "assumed" not in said
    tensors, metadata = read()
    for theirs, ours in EXPECTED[generation].items():
        assert np.array_equal(tensors[ours], model.tensors[theirs])
    assert np.array_equal(tensors["encoder.registers"], model.tensors["encoder.registers"][0])
    assert (len(tensors) - len(model.tensors)) == (8 if generation == "jetssl" else 0)
    assert metadata["preprocessing"] == "none" and metadata["contents"] == "backbone"
    assert json.loads(metadata["backbone"])["heads"] == 2
    assert yaml.safe_load(metadata["configuration"])["model"]["encoder"]["heads"] == 2
    with open("out.safetensors", "rb") as file:
        data = file.read()
    start = 8 + int.from_bytes(data[:8], "little")
    assert int(metadata["crc32"], 16) == zlib.crc32(data[start:])


@pytest.mark.parametrize("generation", jetssl.GENERATIONS)
def test_whole_models(call, generation):
    model = jetssl.Model(generation, whole=True)
    jetssl.save("in.pt", model.tensors)
    code, said = call("in.pt", "--heads", 2, "--decoder-heads", 2)
    assert code == 0 and f"whole model with the names of {generation}" in said
    tensors, metadata = read()
    for theirs, ours in (EXPECTED[generation] | WHOLE).items():
        assert np.array_equal(tensors[ours], model.tensors[theirs]), theirs
    assert np.array_equal(
        tensors["objective/tasks/kmeans/centroids"], model.tensors["tasks.kmeans.kmeans.centroids"].T)
    tasks = yaml.safe_load(metadata["configuration"])["tasks"]
    assert set(tasks) == {"particle_id", "regression", "kmeans", "flow", "flow_matching"}
    assert tasks["flow"]["layers"] == 3 and tasks["flow_matching"]["time_features"] == 4
    assert metadata["contents"] == "model"
    # The backbone alone.
    assert call("in.pt", "--heads", 2, "--backbone", "--force")[0] == 0
    assert not any(name.startswith(("tasks", "decoder", "objective")) for name in read()[0])


def test_options_of_backbones(call):
    for number, options in enumerate([
            dict(registers=0, features=3, identity=False, final_norm=False, scale=False, multiplier=3, layers=1),
            dict(width=12, heads=3, registers=1), dict(layers=3, features=7, multiplier=1)]):
        model = jetssl.Model("jetssl-2024-08", **options)
        jetssl.save("in.pt", model.tensors)
        assert call("in.pt", "--heads", model.heads, output=f"{number}.safetensors")[0] == 0
        tensors, metadata = read(f"{number}.safetensors")
        shape = json.loads(metadata["backbone"])
        assert shape["layers"] == model.layers and shape["registers"] == model.registers
        assert len(tensors) == len(model.tensors) and shape["final_norm"] == model.has_final_norm
    assert json.loads(metadata["features"]) == ["pt", "deta", "dphi", "d0", "d0err", "dz", "dzerr"]
    jetssl.save("five.pt", jetssl.Model("jetssl", features=5).tensors)
    assert "a model with 5 features; name them with --features" in call("five.pt", output="5.safetensors")[1]
    assert call("five.pt", "--features", "dz,pt,deta,dphi,d0", output="5.safetensors")[0] == 0
    assert json.loads(read("5.safetensors")[1]["features"]) == ["dz", "pt", "deta", "dphi", "d0"]


def test_prefixes(call):
    tensors = jetssl.Model("jetssl-2024-10").tensors
    jetssl.save("in.ckpt", {"state_dict": {
        **{f"backbone.{name}": value for name, value in tensors.items()}, "head.weight": np.zeros(3, np.float32)}})
    assert call("in.ckpt")[1].endswith("; give --prefix backbone.")
    assert call("in.ckpt", "--prefix", "backbone.")[0] == 0
    assert "no tensor whose name begins with 'x.'" in call("in.ckpt", "--prefix", "x.", output="x.safetensors")[1]


def transformer(features=7, **options):
    rng = np.random.default_rng(2)
    options = {"output_distribution": "normal", "n_quantiles": 50, **options}
    return QuantileTransformer(**options).fit(rng.standard_normal((400, features)))


def test_preprocessors(call):
    jetssl.save("in.pt", jetssl.Model("jetssl").tensors)
    fitted = transformer()
    joblib.dump(fitted, "fitted.joblib")
    code, said = call("in.pt", "--preprocessor", "fitted.joblib")
    assert code == 1 and "runs the code that it contains; give --trust-pickle" in said
    assert call("in.pt", "--preprocessor", "fitted.joblib", "--trust-pickle")[0] == 0
    tensors, metadata = read()
    assert np.array_equal(tensors["preprocessing/quantiles"], fitted.quantiles_)
    assert metadata["preprocessing"] == "quantile"
    assert yaml.safe_load(metadata["configuration"])["preprocessing"] == {"quantiles": 50}
    # Without a pickle, and for the first three of seven features.
    np.save("fitted.npy", fitted.quantiles_)
    jetssl.save("three.pt", jetssl.Model("jetssl", features=3).tensors)
    assert call("three.pt", "--preprocessor", "fitted.npy", output="3.safetensors")[0] == 0
    assert np.array_equal(read("3.safetensors")[0]["preprocessing/quantiles"], fitted.quantiles_[:, :3])
    # Columns by name; those of a transformer for the model alone are in its order.
    names = ["--features", "dz,pt,deta"]
    assert call("three.pt", *names, "--preprocessor", "fitted.npy", output="4.safetensors")[0] == 0
    assert np.array_equal(read("4.safetensors")[0]["preprocessing/quantiles"], fitted.quantiles_[:, [5, 0, 1]])
    np.save("own.npy", fitted.quantiles_[:, :3])
    assert call("three.pt", *names, "--preprocessor", "own.npy", output="5.safetensors")[0] == 0
    assert np.array_equal(read("5.safetensors")[0]["preprocessing/quantiles"], fitted.quantiles_[:, :3])


@pytest.mark.parametrize(("content", "expected"), [
    (transformer(5), "is fitted to 5 features, the model has 7"),
    (transformer(output_distribution="uniform"), "to the distribution 'uniform', expected 'normal'"),
    ({"quantiles_": 1}, "holds a dict, expected a fitted QuantileTransformer"),
    (QuantileTransformer(), "holds a QuantileTransformer, expected a fitted"),
])
def test_other_preprocessors_are_refused(call, content, expected):
    jetssl.save("in.pt", jetssl.Model("jetssl").tensors)
    joblib.dump(content, "other.joblib")
    assert expected in call("in.pt", "--preprocessor", "other.joblib", "--trust-pickle")[1]


def test_damaged_preprocessors_are_refused(call):
    jetssl.save("in.pt", jetssl.Model("jetssl").tensors)
    for name in ("damaged.joblib", "damaged.npy"):
        with open(name, "wb") as file:
            file.write(b"\x80\x04damaged")
        assert name in call("in.pt", "--preprocessor", name, "--trust-pickle")[1]
    for values in (np.array([[1.0] * 7, [0.0] * 7]), np.full((3, 7), np.nan)):
        np.save("wrong.npy", values)
        assert "not finite or not in increasing order" in call("in.pt", "--preprocessor", "wrong.npy")[1]
    np.save("wrong.npy", np.zeros(7))
    assert "expected [quantiles, features]" in call("in.pt", "--preprocessor", "wrong.npy")[1]
    assert "none.joblib: no such file" in call("in.pt", "--preprocessor", "none.joblib", "--trust-pickle")[1]


def test_centroids(call):
    model = jetssl.Model("jetssl-2024-10", whole=True)
    centroids = model.tensors.pop("tasks.kmeans.kmeans.centroids")
    jetssl.save("in.pt", model.tensors)
    heads = ["--heads", 2, "--decoder-heads", 2]
    assert "without its centroids; give --centroids" in call("in.pt", *heads)[1]
    jetssl.save("kmeans.pkl", jetssl.module("torchpq.clustering.KMeans.KMeans", {"centroids": centroids}))
    np.save("kmeans.npy", centroids.T)
    for name in ("kmeans.pkl", "kmeans.npy"):
        assert call("in.pt", *heads, "--centroids", name, "--force")[0] == 0
        assert np.array_equal(read()[0]["objective/tasks/kmeans/centroids"], centroids.T)
    os.remove("out.safetensors")
    np.save("kmeans.npy", centroids.T[:9])
    assert "has the shape [9, 7], the model has 16 clusters" in call("in.pt", *heads, "--centroids", "kmeans.npy")[1]
    jetssl.save("backbone.pt", jetssl.Model("jetssl").tensors)
    assert "the model has no k-means task" in call("backbone.pt", "--centroids", "kmeans.npy")[1]


def changed(name, value=None):
    def change(tensors):
        if value is None:
            del tensors[name]
        else:
            tensors[name] = value
    return change


@pytest.mark.parametrize(("change", "expected"), [
    (changed("encoder.layers.1.attn.norm.bias"), "no tensor encoder.layers.1.attn.norm.bias"),
    (changed("csts_emb.bias"), "no tensor csts_emb.bias"),
    (changed("encoder.layers.0.ff.fn.lin1.bias", np.zeros(9, "f4")),
     "encoder.layers.0.ff.fn.lin1.bias has the shape [9], expected [64]"),
    (changed("encoder.layers.1.attn.fn.attn_in_w", np.zeros((48, 16), "f2")),
     "attn_in_w has the type float16, expected float32; convert the model with .float()"),
    (changed("csts_emb.weight", np.zeros((16, 7), "u2")), "csts_emb.weight has the type bfloat16"),
    (changed("csts_emb.weight", np.zeros((16, 7), "f8")), "csts_emb.weight has the type float64"),
    (changed("csts_emb.weight", np.full((16, 7), np.inf, "f4")), "csts_emb.weight has values that are not finite"),
    (changed("csts_emb.weight", np.zeros(7, "f4")), "csts_emb.weight has the shape [7], expected 2 dimensions"),
    (changed("encoder.abs_enc", np.zeros((1, 128, 16), "f4")), "encoder.abs_enc, an absolute position, which kaon"),
    (changed("encoder.layers.0.attn.fn.qk_norm.q_norm.scale", np.zeros(4, "f4")), "a norm of queries and keys"),
    (changed("other.weight", np.zeros(4, "f4")), "has the tensor other.weight, for which kaon has no place"),
    (changed("null_token", np.zeros((128, 16), "f4")), "no tensor enc_to_dec.weight: kaon has no whole model of"),
    (changed("encoder.layers.4.ff.fn.lin1.bias", np.zeros(64, "f4")), "no tensor encoder.layers.2.attn"),
    (changed("encoder.layers.0.ff.fn.lin2.weight", np.zeros((16, 33), "f4")), "expected a multiple of the width 16"),
])
def test_models_that_do_not_fit_are_refused(call, change, expected):
    tensors = jetssl.Model("jetssl-2024-08").tensors
    change(tensors)
    jetssl.save("in.pt", tensors)
    code, said = call("in.pt", "--heads", 2)
    assert code == 1 and expected in said and "in.pt" in said


def test_other_architectures_and_heads_are_refused(call):
    jetssl.save("part.pt", {"embed.weight": np.zeros((3, 4), "f4"), "blocks.0.q": np.zeros(3, "f4")})
    assert "is of another architecture: it has no tensor such as" in call("part.pt")[1]
    jetssl.save("in.pt", jetssl.Model("jetssl", width=12).tensors)
    assert "the width 12 of the encoder cannot be divided among 8 heads; give --heads" in call("in.pt")[1]
    assert "--decoder-heads: the model has no decoder" in call("in.pt", "--heads", 2, "--decoder-heads", 2)[1]
    vae = jetssl.Model("jetssl", whole=True)
    vae.linear("tasks.vae.head", 8, 512)
    jetssl.save("vae.pt", vae.tensors)
    assert "a VQ-VAE of another architecture, which kaon does not have; --backbone" in call("vae.pt")[1]
    vae.tensors["tasks.flow.flow.flows.0.prqct.transform_net.input_block.layers.0.weight"] = np.zeros((6, 99), "f4")
    jetssl.save("flow.pt", vae.tensors)
    assert "has 99 inputs: the context of kaon's flows" in call("flow.pt")[1]


class Command:
    def __reduce__(self):
        return os.system, ("touch harmed",)


class Evaluation:
    def __reduce__(self):
        return eval, ("open('harmed', 'w')",)


@pytest.mark.parametrize("harm", [Command(), Evaluation()])
def test_code_in_a_pickle_is_not_run(call, harm):
    tensors = jetssl.Model("jetssl").tensors
    jetssl.save("in.ckpt", {"state_dict": tensors, "hyper_parameters": {"x": harm}})
    for options in ([], ["--trust-pickle"]):
        code, said = call("in.ckpt", *options)
        assert code == 1 and "may be malicious and is refused" in said
    with open("plain.pt", "wb") as file:
        pickle.dump(harm, file)
    assert call("plain.pt")[0] == 1
    np.save("quantiles.npy", np.array([harm], dtype=object), allow_pickle=True)
    jetssl.save("good.pt", tensors)
    assert "cannot be read as an array" in call("good.pt", "--preprocessor", "quantiles.npy")[1]
    with open("p.joblib", "wb") as file:
        pickle.dump(harm, file)
    assert "give --trust-pickle" in call("good.pt", "--preprocessor", "p.joblib")[1]
    assert not os.path.exists("harmed")


def test_pickled_modules(call):
    tensors = jetssl.Model("jetssl-2024-08").tensors
    whole = jetssl.module("src.models.utils.JetBackbone", tensors, num_heads=2)
    whole._modules["encoder"]._modules["layers"]._modules["0"].num_heads = 2
    jetssl.save("in.pkl", whole)
    assert "a pickled object of the class src.models.utils.JetBackbone" in call("in.pkl")[1]
    code, said = call("in.pkl", "--trust-pickle")
    assert code == 0 and "assumed" not in said
    assert np.array_equal(read()[0]["embedding.continuous.weight"], tensors["csts_emb.weight"])


def test_files_that_cannot_be_read(call):
    tensors = jetssl.Model("jetssl").tensors
    jetssl.save("in.pt", tensors)
    with open("in.pt", "rb") as file:
        data = file.read()
    for name, content, expected in [
            ("empty.pt", b"", "is empty"), ("text.pt", b"hello, this is text", "is not a file of torch.save"),
            ("cut.pt", data[:len(data) // 2], "damaged or cut short"),
            ("flipped.pt", data[:3000] + bytes([data[3000] ^ 1]) + data[3001:], "damaged"),
            ("old.pt", pickle.dumps({"a": 1}), "is a pickle without the tensors"),
            ("bad.safetensors", b"\xff" * 40, "cannot be read"), ("empty.safetensors", b"", "cannot be read")]:
        with open(name, "wb") as file:
            file.write(content)
        assert expected in call(name)[1]
    for content, expected in [
            ({"state_dict": {}}, "holds no tensor"), ([1, 2], "holds a list"), ({"a": 1}, "'a' is not a tensor"),
            ({"a": {"b": 1}}, "'a' is not a tensor"), (jetssl.stub("src.Thing", a=1), "of the class src.Thing")]:
        jetssl.save("content.pt", content)
        assert expected in call("content.pt")[1]
    assert "none.pt cannot be read: No such file" in call("none.pt")[1]
    assert ". cannot be read" in call(".")[1]


def test_outputs(call, tmp_path, capsys):
    jetssl.save("in.pt", jetssl.Model("jetssl").tensors)
    assert "must end in .safetensors" in call("in.pt", output="out.h5")[1]
    assert call("in.pt", output="new/folder/out.safetensors")[0] == 0
    assert "in.pt is not a folder" in call("in.pt", output="in.pt/out.safetensors")[1]
    os.mkdir("folder.safetensors")
    assert call("in.pt")[0] == 0
    for output, expected in (("folder.safetensors", "is a folder"), ("out.safetensors", "already exists; --force")):
        assert main(["in.pt", "--output", output]) == 1
        assert expected in capsys.readouterr().err
    before = os.stat("out.safetensors").st_ino
    assert call("in.pt", "--force")[0] == 0 and os.stat("out.safetensors").st_ino != before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "folder.safetensors", "in.pt", "new", "out.safetensors"]
