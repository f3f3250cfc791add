"""Reads the tensors of a model from a file of PyTorch, of Lightning or of safetensors."""

from typing import NamedTuple

import numpy as np
import safetensors
from kaon_data import DataError

from .torch_files import Skipped, Tensor, is_module, module_tensors, read_torch

_SAFETENSORS = {
    "F32": "float32", "F64": "float64", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}


class Source(NamedTuple):
    """The tensors of a file by name, and the numbers of attention heads if the file gives them."""

    path: str
    tensors: dict
    heads: dict

    def part(self, prefix):
        """The tensors whose names begin with a prefix, without it. Raises `DataError`."""
        found = {name[len(prefix):]: value for name, value in self.tensors.items() if name.startswith(prefix)}
        if not found:
            raise DataError(
                f"{self.path} has no tensor whose name begins with {prefix!r}: the first is "
                f"{next(iter(self.tensors))!r}")
        return self._replace(tensors=found)


def read_source(path, trusts_pickle=False):
    """Reads a file. Raises `DataError`, also for a pickled module unless `trusts_pickle`."""
    path = str(path)
    if path.endswith(".safetensors"):
        return Source(path, _safetensors(path), {})
    content, heads = read_torch(path), {}
    if isinstance(content, dict) and _is_mapping(content.get("state_dict")):
        heads = _configured_heads(content.get("hyper_parameters"))
        content = content["state_dict"]
    if is_module(content):
        if not trusts_pickle:
            raise DataError(
                f"{path} is a pickled object of the class {content.origin}, whose code decides what its tensors mean; "
                "save its state_dict(), or give --trust-pickle to take the tensors (without running the code)")
        return Source(path, _checked(path, module_tensors(content)), _built_heads(content))
    return Source(path, _checked(path, content), heads)


def _is_mapping(content):
    return isinstance(content, (dict, Skipped))


def _checked(path, content):
    if isinstance(content, Skipped):
        raise DataError(f"{path} holds an object of the class {content.origin}; save the state_dict() of the model")
    if not isinstance(content, dict):
        raise DataError(f"{path} holds a {type(content).__name__}; save the state_dict() of the model")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise DataError(f"{path} is not a state_dict: {name!r} is not a tensor")
    if not content:
        raise DataError(f"{path} holds no tensor")
    # Names of modules that were compiled.
    return {name.replace("_orig_mod.", ""): value for name, value in content.items()}


def _safetensors(path):
    try:
        with open(path, "rb") as file:
            parts = safetensors.deserialize(file.read())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:      # SafetensorError, and what the values of the header cause
        raise DataError(f"{path} cannot be read: {error}") from None
    found = {}
    for name, part in parts:
        kind = _SAFETENSORS.get(part["dtype"], part["dtype"])
        item = "uint16" if kind == "bfloat16" else kind
        if kind not in _SAFETENSORS.values():
            found[name] = Tensor(np.zeros(part["shape"], np.uint8), kind)
        else:
            found[name] = Tensor(np.frombuffer(bytes(part["data"]), item).reshape(part["shape"]), kind)
    return _checked(path, found)


def _configured_heads(parameters):
    """Heads of encoder and decoder in the hyperparameters of a Lightning checkpoint."""
    def look(container, *keys):
        for key in keys:
            if not _is_mapping(container):
                return None
            container = container.get(key)
        return container

    found = {}
    for part in ("encoder", "decoder"):
        layers = look(parameters, f"{part}_config", "layer_config")
        heads = look(layers, "num_heads") or look(layers, "attn_config", "num_heads")
        if isinstance(heads, int):
            found[part] = heads
    return found


def _built_heads(module):
    """Heads of encoder and decoder in a pickled module."""
    found = {}
    for part in ("encoder", "decoder"):
        heads = _attribute((module.get("_modules") or {}).get(part), "num_heads")
        if isinstance(heads, int):
            found[part] = heads
    return found


def _attribute(module, name):
    if not is_module(module):
        return None
    if name in module.state:
        return module.state[name]
    children = (_attribute(child, name) for child in module.state["_modules"].values())
    return next((value for value in children if value is not None), None)
