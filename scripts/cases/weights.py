"""Exported models as other programs change them, and files for kaon pack."""

import json

import h5py
import numpy as np
import safetensors.numpy
from case import accepted, refused


def cases(jets, exported):
    """`exported` is a whole model, written by kaon export --all."""
    with open(exported, "rb") as file:
        data = file.read()
    header = json.loads(data[8:8 + int.from_bytes(data[:8], "little")])
    tensors, metadata = safetensors.numpy.load(data), header["__metadata__"]
    parameters = {name: values for name, values in tensors.items() if "/" not in name}
    name = "encoder.layers.0.attention.qkv.weight"

    def written(file, content, metadata=None):
        path = f"{file}.safetensors"
        if isinstance(content, bytes):
            with open(path, "wb") as out:
                out.write(content)
        else:
            safetensors.numpy.save_file(content, path, metadata)
        return path

    def start(path):
        return ["pretrain", "tiny.yaml", f"model.initial_weights={path}"]

    def encode(path):
        return ["encode", path, f"data.test=['{jets.path('good')}']", "--output", "e.h5", "--force"]

    plain = {key: value for key, value in metadata.items() if key != "crc32"}
    yield accepted("weights whole", encode(written("whole", tensors, metadata)), short=True)
    yield accepted("weights without metadata", start(written("params", parameters)))
    yield refused("weights without metadata to encode", encode("params.safetensors"), "metadata", True)
    changed = {key: values.copy() for key, values in tensors.items()}
    changed[name][0, 0] += 1
    yield refused("weights changed", encode(written("changed", changed, metadata)), "damaged", True)
    yield accepted("weights changed, no checksum", encode(written("changed_plain", changed, plain)))
    for case, values, text in (
            ("half", parameters[name].astype("f2"), name), ("double", parameters[name].astype("f8"), name),
            ("transposed", np.ascontiguousarray(parameters[name].T), name),
            ("nan", np.full_like(parameters[name], np.nan), name)):
        yield refused(f"weights {case}", start(written(case, parameters | {name: values})), text, short=case == "half")
    yield refused("weights extra", start(written("extra", parameters | {"more": np.zeros(3, "f4")})), "more")
    missing = {key: values for key, values in parameters.items() if key != name}
    yield refused("weights missing", start(written("missing", missing)), name)
    prefixed = {f"module.{key}": values for key, values in parameters.items()}
    yield refused("weights with a prefix", start(written("prefixed", prefixed)), "module.")
    yield refused("weights cut", encode(written("cut", data[:-100])), "cut.safetensors", True)
    yield refused("weights longer", encode(written("longer", data + bytes(10))), "longer.safetensors")
    yield refused("weights empty", encode(written("nothing", b"")), "nothing.safetensors")
    yield refused("weights text", encode(written("text", b"hello, this is text")), "text.safetensors")
    huge = (2**40).to_bytes(8, "little") + data[8:]
    yield refused("weights with a huge header", encode(written("huge", huge)), "huge.safetensors")
    yield from _pack(jets)


def _pack(jets):
    count = jets.count
    # Texts and compounds are left out with a warning.
    for name, values, is_packed in (
            ("big_doubles", np.arange(count, dtype=">f8"), True), ("unsigned", np.full(count, 2**64 - 1, "u8"), True),
            ("pictures", np.zeros((count, 3, 2), "f4"), True),
            ("slots", np.zeros(jets.arrays["mask"].shape, "i4"), True),
            ("fixed_text", np.array([f"jet {number}" for number in range(count)], "S8"), True),
            ("complex", np.zeros(count, "c8"), True), ("records", np.zeros(count, [("a", "i4"), ("b", "i8")]), True),
            ("other_length", np.zeros(7), False), ("one_value", np.float32(3), False)):
        with h5py.File(jets.write(f"pack_{name}"), "a") as file:
            file["more"] = values
        command = ["pack", jets.path(f"pack_{name}"), "--output", f"packed_{name}.h5"]
        if is_packed:
            said = "/more" if name in ("fixed_text", "complex", "records") else ""
            yield accepted(f"pack {name}", command, said, short=name == "fixed_text")
        else:
            yield refused(f"pack {name}", command, "/more")
    with h5py.File(jets.write("pack_group"), "a") as file:
        file["group/more"] = np.zeros(count)
    yield accepted("pack group", ["pack", jets.path("pack_group"), "--output", "packed_group.h5"], "group")
    yield refused("pack of a text", ["pack", jets.path("text"), "--output", "packed_text.h5"], "text.h5")
    yield refused("pack over a file", ["pack", jets.path("good"), "--output", jets.path("good")], "good.h5", True)
