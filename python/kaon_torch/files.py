"""Loads files of `kaon export` as modules, and saves them."""

import json
import zlib

import yaml
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from .backbone import Backbone, Embedding, Normformer, PairBias, Transformer
from .errors import FormatError
from .model import ORIGINS, TASKS, FineTuned, make_head
from .preprocessing import QuantilePreprocessing, StandardPreprocessing, UnfittedPreprocessing, neutral_identities
from .tokens import BinInputs, CodeInputs, KMeansInputs


def load(path, dropout=0.0, head=None):
    """Loads a file of `kaon export` as a module in evaluation mode.

    The result is a `FineTuned` for the export of a fine-tuned model with its head (`kaon export --all`), otherwise a
    `Backbone`. With `head=True` a file without a head is an error, with `head=False` the backbone is loaded alone.
    `dropout` is the rate for further training of backbones of version 1; heads have that of their configuration.
    """
    tensors, metadata = _read(path)
    for key in ("backbone", "names", "configuration", "contents"):
        if key not in metadata:
            raise FormatError(f"{path} has no '{key}' in its metadata; create it with 'kaon export'")
    if metadata["names"] != "kaon":
        raise FormatError(f"{path} has the parameter names of {metadata['names']}; export it with --names kaon")
    try:
        return _module(path, tensors, metadata, dropout, head).eval()
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError, yaml.YAMLError) as error:
        raise FormatError(f"{path} does not match its metadata: {' '.join(str(error).split())}") from None


def _module(path, tensors, metadata, dropout, head):
    shape, configuration = json.loads(metadata["backbone"]), yaml.safe_load(metadata["configuration"])
    task = configuration.get("objective")
    # A pre-training may have a head of its own.
    has_head = metadata["contents"] == "model" and task in TASKS and any(name.startswith("head.") for name in tensors)
    if head and not has_head:
        raise FormatError(f"{path} has no head{_reason(metadata, task)}")
    module = Backbone(
        Embedding(
            _input_width(shape, tensors, metadata), shape["width"],
            len(tensors["embedding.identity.weight"]) if shape["identity"] else None,
            shape["max_constituents"] if shape["position"] else None),
        _encoder(shape, dropout), _preprocessing(tensors, metadata, configuration), _inputs(shape, tensors),
        shape["max_constituents"])
    _fill(module, tensors)
    untrained = {name: value for name, value in tensors.items() if "/" in name}
    module.metadata, module.untrained = metadata, untrained
    if has_head and head is not False:
        classes = json.loads(metadata.get("classes", "[]"))
        module = FineTuned(
            module, make_head(task, configuration, shape["width"], len(classes), tensors), task,
            ORIGINS if task == "track_origin" else classes if task == "classification" else (),
            tensors["objective/task/standardisation"] if task == "regression" else None,
            configuration.get("regression", {}).get("relative_to"))
        _fill(module.head, tensors, "head.")
        module.metadata, module.untrained = metadata, untrained
    return module


def save(module, path):
    """Writes a loaded, and perhaps further trained, model for use in kaon: `backbone=`, `kaon encode`, `kaon evaluate`
    (with a head)."""
    has_head = isinstance(module, FineTuned)
    backbone = module.backbone if has_head else module
    metadata = {key: value for key, value in module.metadata.items() if key not in ("crc32", "card")}
    metadata["contents"] = "model" if has_head else "backbone"
    if not has_head:
        metadata.pop("classes", None)
    tensors = {
        name.removeprefix("backbone."): value.contiguous() for name, value in module.state_dict().items()
        if not name.removeprefix("backbone.").startswith("inputs.")}
    if metadata["preprocessing"] == "none" and isinstance(backbone.preprocessing, QuantilePreprocessing):
        # A model that was imported without a preprocessing has got one since.
        metadata["preprocessing"] = "quantile"
        tensors["preprocessing/quantiles"] = backbone.preprocessing.quantiles.contiguous()
    save_file(tensors | module.untrained, path, metadata)


def _reason(metadata, task):
    if metadata["contents"] == "backbone" and task in TASKS:
        return f": it is the backbone of a model of {task} alone; 'kaon export --all' includes the head"
    return f": it is of the pre-training {task}; export a checkpoint of 'kaon finetune' with --all"


def _fill(module, tensors, prefix=""):
    """Loads the parameters of a module. Raises `KeyError` or `RuntimeError` for a missing tensor or another shape."""
    module.load_state_dict({
        name: tensors[prefix + _stored(name)].reshape(value.shape) for name, value in module.state_dict().items()})


def _input_width(shape, tensors, metadata):
    if shape["inputs"] == "raw":
        return len(json.loads(metadata["features"]))
    return tensors["embedding.continuous.weight"].shape[1]


def _read(path):
    try:
        with safe_open(path, framework="pt") as file:
            tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
        if "crc32" in metadata and _checksum(path) != metadata["crc32"]:
            raise FormatError(
                f"{path} is damaged: the checksum of its values differs from that in its header (a program that "
                "changes values has to remove 'crc32' from the metadata)")
        return tensors, metadata
    except (OSError, SafetensorError) as error:
        raise FormatError(f"{path} cannot be read: {error}") from None


def _checksum(path):
    """The CRC-32 of all bytes after the header."""
    checksum = 0
    with open(path, "rb") as file:
        file.seek(8 + int.from_bytes(file.read(8), "little"))
        while part := file.read(1 << 24):
            checksum = zlib.crc32(part, checksum)
    return f"{checksum:08x}"


def _stored(name):
    """The name in the file of a parameter of the module."""
    return f"objective/tokenizer/{name[7:]}" if name.startswith("inputs.") else name


def _encoder(shape, dropout):
    if shape["block"] == "normformer":
        return Normformer(
            shape["width"], shape["layers"], shape["heads"], shape["hidden"], dropout, shape.get("causal", False))
    pairs = shape.get("pairs")
    return Transformer(
        shape["width"], shape["layers"], shape["heads"], shape["feedforward_multiplier"], shape["registers"],
        shape["layer_scale"], shape["final_norm"],
        PairBias(pairs["features"], pairs["widths"], shape["heads"]) if pairs else None,
        # Files of earlier versions do not have the key.
        shape.get("causal", False))


def _preprocessing(tensors, metadata, configuration):
    features = json.loads(metadata["features"])
    neutral = neutral_identities(json.loads(metadata["identities"])) if "identities" in metadata else (0, 2)
    if metadata["preprocessing"] == "none":
        return UnfittedPreprocessing(features)
    if metadata["preprocessing"] == "standard":
        return StandardPreprocessing(
            features, tensors["preprocessing/means"], tensors["preprocessing/deviations"], neutral)
    # The noise depends on the seed of the run.
    return QuantilePreprocessing(features, tensors["preprocessing/quantiles"], configuration["seed"], neutral)


def _inputs(shape, tensors):
    if shape["inputs"] == "raw":
        return None
    if shape["inputs"] == "kmeans":
        return KMeansInputs(tensors["objective/inputs/centroids"])
    if shape["inputs"] == "bins":
        return BinInputs(tensors["objective/inputs/borders"])
    part = {name[20:]: value for name, value in tensors.items() if name.startswith("objective/tokenizer/")}
    width, values = part["embedding.continuous.weight"].shape
    hidden = part["encoder.layers.0.feedforward.input.bias"].numel()
    encoder = Normformer(width, shape["tokenizer_layers"], shape["tokenizer_heads"], hidden)
    return CodeInputs(
        Embedding(values, width), encoder, part["quantiser.codes"], part["quantiser.affine.scale"],
        part["quantiser.affine.bias"], shape["tokenizer_affine_rate"])
