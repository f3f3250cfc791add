"""Turns a model of jetssl into the tensors and the metadata of an export of kaon."""

import json
import os
import re
import zlib
from typing import NamedTuple

import numpy as np
import safetensors.numpy
import yaml
from kaon_data import DataError
from kaon_data.console import program_version

from .fitted import checked_centroids, read_centroids, read_quantiles
from .layout import FEATURES, FLOW_MATCHING, Missing, entries
from .shapes import Inference, generation_of
from .sources import read_source

_HEADS = {"encoder": 8, "decoder": 4}       # of the configurations of jetssl
# Tensors without a place in kaon that change neither outputs nor samples.
_IGNORED = re.compile(r"tasks\.(probe\.|kmeans\.kmeans\.|kmeans\.class_weights$|id\.class_weights$)")


class Imported(NamedTuple):
    """An export of kaon, and remarks about what was assumed and left out."""

    tensors: dict
    metadata: dict
    remarks: list

    def write(self, path):
        """Writes the file; it appears only when it is complete. Raises `DataError`."""
        data = safetensors.numpy.save(self.tensors, self.metadata)
        start = 8 + int.from_bytes(data[:8], "little")
        metadata = self.metadata | {"crc32": f"{zlib.crc32(data[start:]):08x}"}
        temporary = f"{path}.tmp-{os.getpid()}"
        try:
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            with open(temporary, "wb") as file:
                file.write(safetensors.numpy.save(self.tensors, metadata))
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError as error:
            raise DataError(f"{path} cannot be written: {error.strerror or error}") from None
        finally:
            if os.path.exists(temporary):
                os.remove(temporary)


class Choices(NamedTuple):
    """Options of `import_model`, as on the command line."""

    preprocessor: str | None = None
    centroids: str | None = None
    features: tuple | None = None
    heads: int | None = None
    decoder_heads: int | None = None
    prefix: str = ""
    only_backbone: bool = False
    trusts_pickle: bool = False


def import_model(path, choices=Choices()):
    """Reads and converts a model. Raises `DataError`."""
    source = read_source(path, choices.trusts_pickle)
    if choices.prefix:
        source = source.part(choices.prefix)
    inference = Inference(source, generation_of(source), choices.only_backbone)
    model, dropped = inference.model, []

    def is_ignored(name):
        is_rest = choices.only_backbone and not name.startswith(("csts_", "encoder."))
        if is_rest or _IGNORED.match(name):
            dropped.append(name)
            return True
        return False

    inference.check(is_ignored)
    tensors = dict(_parameters(source, model, inference.generation))
    heads, remarks = _heads(source, model, choices)
    features = _features(path, model.features, choices.features)
    if model.clusters:
        tensors["objective/tasks/kmeans/centroids"] = _centroids(source, model, choices.centroids)
    elif choices.centroids:
        raise DataError("--centroids: the model has no k-means task")
    if model.flow_matching:
        for part in ("weight", "bias"):
            name = f"{FLOW_MATCHING}.condition.{part}"
            tensors[f"objective/tasks/flow_matching/average/condition.{part}"] = tensors[name]
        # As many updates as make the average follow its decay rate.
        tensors["objective/tasks/flow_matching/updates"] = np.array([1_000_000], np.int64)
    metadata = _metadata(path, model, heads, features, _identity_weights(source, choices))
    if choices.preprocessor:
        quantiles = read_quantiles(choices.preprocessor, features, choices.trusts_pickle)
        tensors["preprocessing/quantiles"] = quantiles
        metadata["preprocessing"] = "quantile"
        metadata["configuration"]["preprocessing"] = {"quantiles": len(quantiles)}
    else:
        remarks.append(
            "warning: there is no preprocessing: kaon encode and kaon finetune fit quantiles to their own jets; give "
            "the transformer that the model was trained with as --preprocessor for exact results")
    if any(name.startswith("tasks.probe.") for name in dropped):
        remarks.append("left out: the linear probe (tasks.probe), which does not influence the model")
    metadata["configuration"] = yaml.safe_dump(metadata["configuration"], sort_keys=False)
    names = inference.generation.value
    remarks.insert(0, f"{'backbone' if model.decoder is None else 'whole model'} with the names of {names}")
    return Imported(tensors, metadata, remarks)


def _parameters(source, model, generation):
    for entry in entries(model, generation):
        if isinstance(entry, Missing):
            yield entry.kaon, entry.values
        elif entry.kaon:
            values = source.tensors[entry.name].values
            if not np.isfinite(values).all():
                raise DataError(f"{source.path}: the tensor {entry.name} has values that are not finite")
            values = np.ascontiguousarray(values)
            yield entry.kaon, values[0] if entry.name.endswith(".registers") else values


def _heads(source, model, choices):
    """Heads of encoder and decoder: those given, those in the file, or those of jetssl."""
    found, remarks = {}, []
    parts = [("encoder", model.encoder, choices.heads), ("decoder", model.decoder, choices.decoder_heads)]
    for part, shape, given in parts:
        option = "--heads" if part == "encoder" else "--decoder-heads"
        if shape is None:
            if given is not None:
                raise DataError(f"{option}: the model has no decoder")
            continue
        heads = given or source.heads.get(part)
        if heads is None:
            heads = _HEADS[part]
            remarks.append(
                f"warning: assumed {heads} heads of the {part}, which tensors do not show; {option} changes it")
        elif given and source.heads.get(part, given) != given:
            raise DataError(f"{option} {given}: {source.path} says {source.heads[part]}")
        if shape.width % heads:
            raise DataError(
                f"the width {shape.width} of the {part} cannot be divided among {heads} heads; give {option}")
        found[part] = heads
    return found, remarks


def _features(path, count, given):
    if given is None:
        known = {7: FEATURES, 3: FEATURES[:3]}
        if count not in known:
            raise DataError(f"{path} is of a model with {count} features; name them with --features")
        return known[count]
    if len(given) != count:
        raise DataError(f"--features names {len(given)} features, {path} is of a model with {count}")
    return given


def _centroids(source, model, path):
    name = "tasks.kmeans.kmeans.centroids"
    stored = source.tensors.get(name)
    if path:
        return read_centroids(path, model.clusters, model.features)
    if stored is None:
        raise DataError(
            f"{source.path} has a k-means task without its centroids; give --centroids, or --backbone for the backbone "
            "alone")
    if stored.type != "float32":
        raise DataError(f"{source.path}: the tensor {name} has the type {stored.type}, expected float32")
    return checked_centroids(source.path, f"tensor {name}", stored.values.T, model.clusters, model.features)


def _identity_weights(source, choices):
    weights = None if choices.only_backbone else source.tensors.get("tasks.id.class_weights")
    if weights is None:
        return None
    if weights.values.shape != (8,) or weights.values.dtype.kind != "f" or not (weights.values >= 0).all():
        raise DataError(f"{source.path}: the tensor tasks.id.class_weights does not hold a weight for each identity")
    return [float(weight) for weight in weights.values]


def _metadata(path, model, heads, features, identity_weights):
    encoder = model.encoder
    whole = model.decoder is not None
    backbone = {
        "block": "transformer", "feedforward_multiplier": encoder.multiplier, "final_norm": encoder.has_final_norm,
        "heads": heads["encoder"], "identity": model.has_identity, "inputs": "raw", "layer_scale": encoder.has_scale,
        "layers": encoder.layers, "max_constituents": model.null_tokens or 128, "position": False,
        "registers": encoder.registers, "width": encoder.width,
    }
    configuration = {
        "seed": 0, "run": {"name": "imported"},
        "data": {
            "train": [f"imported from {os.path.basename(str(path))}"], "features": list(features),
            "max_constituents": model.null_tokens or 128},
        "objective": "mpm_v2",
        "model": {
            "encoder": _section(encoder, heads["encoder"]) | {"registers": encoder.registers},
            "decoder": _section(model.decoder, heads["decoder"]) if whole else {},
            "identity": model.has_identity},
        "tasks": _tasks(model, identity_weights) if whole else {"regression": {}},
    }
    return {
        "format": "pt", "kaon": f"import {program_version() or ''}".strip(), "kaon_format": "1",
        "contents": "model" if whole else "backbone", "names": "kaon", "step": "0",
        "backbone": json.dumps(backbone, sort_keys=True, separators=(",", ":")), "configuration": configuration,
        "preprocessing": "none", "features": json.dumps(list(features)),
    }


def _section(shape, heads):
    return {
        "width": shape.width, "layers": shape.layers, "heads": heads, "feedforward_multiplier": shape.multiplier,
        "layer_scale": 1.0e-3 if shape.has_scale else None, "final_norm": shape.has_final_norm}


def _tasks(model, identity_weights):
    tasks = {}
    if model.has_particle_id:
        tasks["particle_id"] = {"class_weights": identity_weights} if identity_weights else {}
    if model.has_regression:
        tasks["regression"] = {}
    if model.clusters:
        tasks["kmeans"] = {"clusters": model.clusters}
    if model.flow:
        tasks["flow"] = {
            "condition": model.flow.context, "context": model.flow.context_place, "layers": model.flow.layers,
            "width": model.flow.width, "depth": model.flow.depth, "bins": model.flow.bins}
    if model.flow_matching:
        tasks["flow_matching"] = {
            "condition": model.flow_matching.condition, "width": model.flow_matching.width,
            "layers": model.flow_matching.layers, "time_features": model.flow_matching.times}
    return tasks
