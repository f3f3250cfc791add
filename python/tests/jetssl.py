"""Random models with the layers of the authors' code (jetssl) in its three generations, in NumPy: their state_dict,
their outputs, and files as torch.save writes them."""

import collections
import io
import pickle
import sys
import types
import zipfile

import numpy as np

GENERATIONS = ["jetssl-2024-08", "jetssl-2024-10", "jetssl"]
STORAGES = {"float32": "FloatStorage", "float64": "DoubleStorage", "float16": "HalfStorage", "int64": "LongStorage",
            "uint16": "BFloat16Storage"}


class Model:
    """A backbone of jetssl, or with `whole` a masked particle model with all tasks that kaon has as well."""

    def __init__(self, generation, whole=False, width=16, heads=2, layers=2, registers=3, features=7, multiplier=2,
                 final_norm=True, identity=True, scale=True, context_place="input"):
        self.generation, self.heads, self.layers, self.registers = generation, heads, layers, registers
        self.has_scale, self.has_final_norm, self.has_identity = scale, final_norm, identity
        self.random, self.tensors = np.random.default_rng(5), collections.OrderedDict()
        self.linear("csts_emb", features, width)
        if identity:
            self.add("csts_id_emb.weight", 8, width)
        if registers:
            self.add("encoder.registers", 1, registers, width)
        self.transformer("encoder", width, layers, multiplier, final_norm)
        if whole:
            self.whole(width, 8, features, context_place)

    def add(self, name, *shape, offset=0.0):
        self.tensors[name] = (offset + 0.3 * self.random.standard_normal(shape)).astype(np.float32)

    def linear(self, name, inputs, outputs):
        self.add(f"{name}.weight", outputs, inputs)
        self.add(f"{name}.bias", outputs)

    def norm(self, name, width):
        self.add(f"{name}.weight", width, offset=1.0)
        self.add(f"{name}.bias", width)

    def names(self, block):
        """Attention, suffixes of its input map, and suffix of the scales of a block."""
        if self.generation == "jetssl":
            return f"{block}.attn", ".attn_in.weight", ".attn_in.bias", "gate"
        attention = "res_attn" if self.generation == "jetssl-2024-10" else "attn"
        scale = "gate" if self.generation == "jetssl-2024-10" else "ls.gamma"
        return f"{block}.{attention}", ".attn_in_w", ".attn_in_b", scale

    def transformer(self, part, width, layers, multiplier, final_norm):
        for layer in range(layers):
            attention, weight, bias, scale = self.names(f"{part}.layers.{layer}")
            forward = f"{part}.layers.{layer}.ff"
            self.add(f"{attention}.fn{weight}", 3 * width, width)
            self.add(f"{attention}.fn{bias}", 3 * width)
            self.linear(f"{attention}.fn.attn_out", width, width)
            self.linear(f"{forward}.fn.lin1", width, 2 * multiplier * width)
            self.linear(f"{forward}.fn.lin2", multiplier * width, width)
            for residual in (attention, forward):
                if self.generation != "jetssl":
                    self.norm(f"{residual}.norm", width)
                if self.has_scale:
                    self.add(f"{residual}.{scale}", width)
        if final_norm:
            self.norm(f"{part}.final_norm", width)

    def whole(self, width, inner, features, context_place):
        self.transformer("decoder", inner, 1, 2, False)
        self.linear("enc_to_dec", width, inner)
        self.add("null_token", 128, inner)
        self.linear("tasks.id.head", inner, 8)
        self.linear("tasks.reg.head", inner, features)
        self.linear("tasks.kmeans.head", inner, 16)
        self.add("tasks.kmeans.kmeans.centroids", features, 16)
        self.tensors["tasks.kmeans.kmeans.weights"] = np.ones(16, np.float32)
        self.flow(inner, features, 5, 6, context_place)
        self.flow_matching(inner, features, 5, 6, 4)

    def flow(self, inner, features, context, width, place):
        self.linear("tasks.flow.head", inner, context)
        for name in ("loc", "log_scale"):
            self.tensors[f"tasks.flow.flow.q0.{name}"] = np.zeros((1, features), np.float32)
        for layer in range(3):
            name = f"tasks.flow.flow.flows.{layer}.prqct"
            moved = np.arange(1 - layer % 2, features, 2)
            kept = np.arange(layer % 2, features, 2)
            self.tensors[f"{name}.identity_features"], self.tensors[f"{name}.transform_features"] = kept, moved
            for part, columns in (("widths", 8), ("heights", 8), ("derivatives", 7)):
                self.add(f"{name}.unconditional_transform.unnormalized_{part}", len(kept), columns)
            first, last = (context, 0) if place == "input" else (0, context)
            self.linear(f"{name}.transform_net.input_block.layers.0", len(kept) + first, width)
            self.linear(f"{name}.transform_net.hidden_blocks.0.layers.0", width + context, width)
            self.linear(f"{name}.transform_net.output_block.layers.0", width + last, len(moved) * 23)

    def flow_matching(self, inner, features, condition, width, times):
        self.linear("tasks.diff.head", inner, condition)
        time, latest = "tasks.diff.diff.time_encoder", self.generation == "jetssl"
        self.tensors[f"{time}.min_value"] = np.zeros((), np.float32)
        self.tensors[f"{time}.max_value"] = np.ones((), np.float32)
        if latest:
            self.tensors[f"{time}.range"] = np.ones((), np.float32)
        frequencies = np.exp(np.arange(times, dtype=np.float64)).astype(np.float32)
        self.tensors[f"{time}.freqs"] = frequencies if latest else frequencies[:, None]
        for network in ("mlp", "ema_mlp"):
            name = f"tasks.diff.diff.{network}"
            for layer, block in enumerate(("input_block", "hidden_blocks.0", "hidden_blocks.1")):
                self.linear(f"{name}.{block}.layers.0", width if layer else features + times + condition, width)
                self.norm(f"{name}.{block}.layers.2", width)
            self.linear(f"{name}.output_block.layers.0", width, features)

    def encode(self, values, identities):
        """Outputs of the backbone for one jet: `values [n, features]`, `identities [n]`."""
        tensors = {name: value.astype(np.float64) for name, value in self.tensors.items()}

        def linear(name, x, weight=".weight", bias=".bias"):
            return x @ tensors[name + weight].T + tensors[name + bias]

        def norm(name, x):
            y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
            return y * tensors.get(f"{name}.weight", 1) + tensors.get(f"{name}.bias", 0)

        x = linear("csts_emb", values)
        if self.has_identity:
            x = x + tensors["csts_id_emb.weight"][identities]
        if self.registers:
            x = np.concatenate([tensors["encoder.registers"][0], x])
        for layer in range(self.layers):
            attention, weight, bias, scale = self.names(f"encoder.layers.{layer}")
            qkv = linear(f"{attention}.fn", norm(f"{attention}.norm", x), weight, bias)
            q, k, v = qkv.reshape(len(x), 3, self.heads, -1).transpose(1, 2, 0, 3)
            scores = q @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1])
            shares = np.exp(scores - scores.max(-1, keepdims=True))
            y = (shares / shares.sum(-1, keepdims=True) @ v).swapaxes(0, 1).reshape(len(x), -1)
            x = x + linear(f"{attention}.fn.attn_out", y) * tensors.get(f"{attention}.{scale}", 1)
            forward = f"encoder.layers.{layer}.ff"
            a, b = np.split(linear(f"{forward}.fn.lin1", norm(f"{forward}.norm", x)), 2, -1)
            x = x + linear(f"{forward}.fn.lin2", a / (1 + np.exp(-a)) * b) * tensors.get(f"{forward}.{scale}", 1)
        return norm("encoder.final_norm", x) if self.has_final_norm else x


class _Tensor:
    def __init__(self, values):
        self.values = np.asarray(values)


class Stub:
    """An object of a class of another program."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)


def stub(qualified, **attributes):
    """An object of a class with that full name."""
    module, name = qualified.rsplit(".", 1)
    return type(name, (Stub,), {"__module__": module, "__qualname__": name})(**attributes)


def module(qualified, tensors, **attributes):
    """A pickled module of PyTorch with these tensors."""
    parameters, children = {}, collections.defaultdict(dict)
    for name, value in tensors.items():
        head, _, rest = name.partition(".")
        if rest:
            children[head][rest] = value
        else:
            parameters[name] = value
    return stub(
        qualified, training=False, _parameters={k: _Tensor(v) for k, v in parameters.items()}, _buffers={},
        _non_persistent_buffers_set=set(),
        _modules={name: module("src.models.utils.Part", part) for name, part in children.items()}, **attributes)


def wrapped(content):
    """The content with its arrays as tensors of PyTorch."""
    if isinstance(content, np.ndarray):
        return _Tensor(content)
    if isinstance(content, dict):
        return type(content)((name, wrapped(value)) for name, value in content.items())
    return content


def save(path, content):
    """Writes a file of torch.save; arrays become tensors, uint16 stands for bfloat16."""
    storages, fakes = [], {"torch": types.ModuleType("torch"), "torch._utils": types.ModuleType("torch._utils")}

    def rebuild():
        """Stands for torch._utils._rebuild_tensor_v2."""

    rebuild.__module__, rebuild.__qualname__, rebuild.__name__ = "torch._utils", *["_rebuild_tensor_v2"] * 2
    fakes["torch._utils"]._rebuild_tensor_v2 = rebuild
    for name in STORAGES.values():
        setattr(fakes["torch"], name, type(name, (), {"__module__": "torch"}))

    class Storage:
        def __init__(self, values):
            self.values = values

    class Pickler(pickle.Pickler):
        def persistent_id(self, item):
            if not isinstance(item, Storage):
                return None
            storages.append(item.values)
            kind = getattr(fakes["torch"], STORAGES[item.values.dtype.name])
            return "storage", kind, str(len(storages) - 1), "cpu", item.values.size

        def reducer_override(self, item):
            if isinstance(item, _Tensor):
                values = item.values
                strides = tuple(step // values.itemsize for step in np.empty_like(values, order="C").strides)
                flat = np.ascontiguousarray(values).reshape(-1)
                return rebuild, (Storage(flat), 0, values.shape, strides, False, collections.OrderedDict())
            if isinstance(item, Stub):
                parts = type(item).__module__.split(".")
                for name in (".".join(parts[:count + 1]) for count in range(len(parts))):
                    fakes[name] = sys.modules[name] = types.ModuleType(name)
                setattr(fakes[name], type(item).__name__, type(item))
            return NotImplemented

    before = dict(sys.modules)
    sys.modules.update(fakes)
    try:
        data = io.BytesIO()
        Pickler(data, 2).dump(wrapped(content))
    finally:
        for name in fakes:
            sys.modules.pop(name, None)
        sys.modules.update({name: before[name] for name in fakes if name in before})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data.getvalue())
        archive.writestr("archive/byteorder", "little")
        for number, values in enumerate(storages):
            archive.writestr(f"archive/data/{number}", values.tobytes())
    return path
