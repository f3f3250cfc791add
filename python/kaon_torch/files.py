"""Loads files of `kaon export` as modules, and saves them."""

import json

import torch
import yaml
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from .backbone import Backbone, Embedding, Normformer, Transformer
from .errors import FormatError
from .preprocessing import QuantilePreprocessing, StandardPreprocessing, UnfittedPreprocessing
from .tokens import BinInputs, CodeInputs, KMeansInputs


def load(path, dropout=0.0):
    """Loads the backbone of a file of `kaon export` as a module in evaluation mode.

    `dropout` is the rate for further training; only backbones of version 1 use it.
    """
    tensors, metadata = _read(path)
    try:
        shape = json.loads(metadata["backbone"])
        names = metadata["names"]
    except KeyError as error:
        raise FormatError(f"{path} has no {error} in its metadata; create it with 'kaon export'") from None
    if names != "kaon":
        raise FormatError(f"{path} has the parameter names of {names}; export it with --names kaon")
    if shape["inputs"] == "raw":
        width = len(json.loads(metadata["features"]))
    else:
        width = tensors["embedding.continuous.weight"].shape[1]
    module = Backbone(
        Embedding(
            width, shape["width"], 8 if shape["identity"] else None,
            shape["max_constituents"] if shape["position"] else None),
        _encoder(shape, dropout), _preprocessing(tensors, metadata), _inputs(shape, tensors))
    own = module.state_dict()
    try:
        module.load_state_dict({
            name: tensors[_stored(name)].reshape(value.shape) for name, value in own.items()})
    except (KeyError, RuntimeError) as error:
        raise FormatError(f"{path} does not match its metadata: {error}") from None
    module.metadata = metadata
    module.untrained = {name: value for name, value in tensors.items() if "/" in name}
    return module.eval()


def save(module, path):
    """Writes a loaded, and perhaps further trained, backbone for use in kaon: `backbone=`, `kaon encode`, …"""
    metadata = {key: value for key, value in module.metadata.items() if key != "crc32"}
    metadata["contents"] = "backbone"
    tensors = {
        name: value.contiguous() for name, value in module.state_dict().items() if not name.startswith("inputs.")}
    if metadata["preprocessing"] == "none" and isinstance(module.preprocessing, QuantilePreprocessing):
        # A model that was imported without a preprocessing has got one since.
        metadata["preprocessing"] = "quantile"
        tensors["preprocessing/quantiles"] = module.preprocessing.quantiles.contiguous()
    save_file(tensors | module.untrained, path, metadata)


def _read(path):
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise FormatError(f"{path} cannot be read: {error}") from None


def _stored(name):
    """The name in the file of a parameter of the module."""
    return f"objective/tokenizer/{name[7:]}" if name.startswith("inputs.") else name


def _encoder(shape, dropout):
    if shape["block"] == "normformer":
        return Normformer(shape["width"], shape["layers"], shape["heads"], shape["hidden"], dropout)
    return Transformer(
        shape["width"], shape["layers"], shape["heads"], shape["feedforward_multiplier"], shape["registers"],
        shape["layer_scale"], shape["final_norm"])


def _preprocessing(tensors, metadata):
    features = json.loads(metadata["features"])
    if metadata["preprocessing"] == "none":
        return UnfittedPreprocessing(features)
    if metadata["preprocessing"] == "standard":
        return StandardPreprocessing(
            features, tensors["preprocessing/means"], tensors["preprocessing/deviations"])
    # The noise depends on the seed of the run.
    seed = yaml.safe_load(metadata["configuration"])["seed"]
    return QuantilePreprocessing(features, tensors["preprocessing/quantiles"], seed)


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
