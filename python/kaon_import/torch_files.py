"""Reads the files of `torch.save` without PyTorch, and without running any code of the file.

Such a file is a zip archive of a pickle and of the values of its tensors. A pickle is a program that names functions
and classes to call. Here those that build tensors are replaced by functions of this module. Classes of the libraries
that jetssl uses become `Skipped` objects, which keep their contents and do nothing. Every other name is refused.
"""

import math
import pickle
import sys
import zipfile
from collections import OrderedDict
from typing import NamedTuple

import numpy as np
from kaon_data import DataError

_TYPES = {
    "Float": "float32", "Double": "float64", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64",
    "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool",
}
# Packages whose objects are skipped, and plain types.
_SKIPPED = {
    "__main__", "argparse", "cupy", "functools", "hydra", "joblib", "lightning", "lightning_fabric", "mltools",
    "normflows", "numpy", "omegaconf", "pathlib", "pytorch_lightning", "sklearn", "src", "torch", "torchmetrics",
    "torchpq", "typing", "vector_quantize_pytorch",
}
_PLAIN = {
    kind.__name__: kind
    for kind in (bool, bytearray, complex, dict, float, frozenset, int, list, set, slice, str, tuple)
}


class Tensor(NamedTuple):
    """The values of a tensor and the name of its type; values of `bfloat16` are given as uint16."""

    values: np.ndarray
    type: str


class Skipped:
    """Stands for an object of a class that is not loaded: `origin` names the class, `arguments`, `state` and `items`
    hold what the pickle stores for it."""

    origin = ""

    def __new__(cls, *arguments, **_):
        self = super().__new__(cls)
        self.arguments, self.state, self.items = arguments, None, {}
        return self

    def __init__(self, *_, **__):
        pass

    def __setstate__(self, state):
        self.state = state

    def __setitem__(self, key, value):
        self.items[key] = value

    def append(self, value):
        self.items[len(self.items)] = value

    def extend(self, values):
        for value in values:
            self.append(value)

    add = append

    def get(self, key, default=None):
        """An attribute, or an item if it is a dictionary, also one of omegaconf."""
        for container in (self.state, self.items, self.attribute("_content")):
            if isinstance(container, dict) and key in container:
                value = container[key]
                nested = value.attribute("_val") if isinstance(value, Skipped) else None
                return value if nested is None else nested
        return default

    def attribute(self, name):
        return self.state.get(name) if isinstance(self.state, dict) else None


def read_torch(path):
    """The object in a file of `torch.save`: dictionaries, lists and numbers with `Tensor` and `Skipped` objects.

    Raises `DataError`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.split("/", 1)[-1] == "data.pkl"]
            if not names:
                raise DataError(f"{path} is a zip archive, but not a file of torch.save")
            folder = names[0][:-len("data.pkl")]
            if folder + "byteorder" in archive.namelist() and archive.read(folder + "byteorder") != b"little":
                raise DataError(f"{path} was written on a big-endian processor; save it on another one")
            with archive.open(names[0]) as file:
                return _Reader(file, path, lambda key: archive.read(f"{folder}data/{key}")).load()
    except zipfile.BadZipFile as error:
        raise DataError(_not_a_zip(path, error)) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    except DataError:
        raise
    except RecursionError:
        raise DataError(f"{path} is damaged: its pickle is nested too deeply") from None
    except Exception as error:      # a damaged pickle fails in the way of its first wrong byte
        raise DataError(f"{path} is damaged: {type(error).__name__}: {error}") from None


def _not_a_zip(path, error):
    with open(path, "rb") as file:
        start = file.read(16)
    if not start:
        return f"{path} is empty"
    if start[:2] == b"PK":
        return f"{path} is damaged or cut short: {error}"
    if start[:1] == b"\x80":
        return f"{path} is a pickle without the tensors of torch.save (since version 1.6); save a state_dict() again"
    return f"{path} is not a file of torch.save or of safetensors"


class _Storage(NamedTuple):
    bytes: bytes
    type: str


class _Reader(pickle.Unpickler):
    def __init__(self, file, path, read):
        super().__init__(file)
        self.path, self.read, self.storages = path, read, {}

    def persistent_load(self, pid):
        kind, storage_type, key, _, count = pid
        if kind != "storage":
            raise DataError(f"{self.path} holds an object of the unknown kind {kind!r}")
        type_name = storage_type.origin.split(".")[-1].removesuffix("Storage")
        name = _TYPES.get(type_name, type_name)
        if key not in self.storages:
            self.storages[key] = _Storage(self.read(key), name)
        return self.storages[key]

    def find_class(self, module, name):
        # Names of Python 2, which the oldest protocols of pickle use.
        module = {"__builtin__": "builtins"}.get(module, module)
        if (function := _FUNCTIONS.get((module, name))) is not None:
            return function
        if module == "builtins" and name in _PLAIN:
            return _PLAIN[name]
        if module.split(".")[0] in _SKIPPED or (module, name) == ("collections", "defaultdict"):
            return type(name.split(".")[-1], (Skipped,), {"origin": f"{module}.{name}"})
        raise DataError(
            f"{self.path} asks for {module}.{name}, which has no place in a model: it may be malicious and is refused")


def _rebuild(storage, offset, shape, strides, *_):
    """The tensor in a storage; a view into its bytes."""
    type_name = storage.type
    item = np.dtype("uint16" if type_name == "bfloat16" else type_name)
    end = offset + 1 + sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) if math.prod(shape) else 0
    if offset < 0 or min((*shape, *strides, 0)) < 0 or end * item.itemsize > len(storage.bytes):
        raise ValueError(f"a tensor of shape {list(shape)} exceeds its storage")
    values = np.frombuffer(storage.bytes, item)
    steps = [step * item.itemsize for step in strides]
    return Tensor(np.lib.stride_tricks.as_strided(values[offset:], shape, steps, writeable=False), type_name)


def _reconstruct(kind, _base, _state):
    return kind.__new__(kind)


def _encode(text, encoding):
    if encoding != "latin1":
        raise ValueError(f"the encoding {encoding}")
    return text.encode("latin1")


_FUNCTIONS = {
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
    ("torch._utils", "_rebuild_tensor"): _rebuild,
    ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
    ("torch._utils", "_rebuild_parameter_with_state"): lambda tensor, *_: tensor,
    ("collections", "OrderedDict"): OrderedDict,
    ("copyreg", "_reconstructor"): _reconstruct,
    ("copy_reg", "_reconstructor"): _reconstruct,
    ("_codecs", "encode"): _encode,
    ("torch", "Size"): tuple,
}


def module_tensors(module, prefix=""):
    """The `state_dict` of a pickled module."""
    found = OrderedDict()
    transient = module.get("_non_persistent_buffers_set") or ()
    for part in ("_parameters", "_buffers"):
        for name, tensor in (module.get(part) or {}).items():
            if isinstance(tensor, Tensor) and not (part == "_buffers" and name in transient):
                found[prefix + name] = tensor
    for name, child in (module.get("_modules") or {}).items():
        if isinstance(child, Skipped):
            found.update(module_tensors(child, f"{prefix}{name}."))
    return found


def is_module(item):
    return isinstance(item, Skipped) and isinstance(item.state, dict) and "_modules" in item.state


assert sys.byteorder == "little", "the tensors of these files are little-endian"
