"""Writes files of 20 jets in ways that kaon reads, or must refuse: virtual datasets, chunks that were never written,
filters, newer formats, other types.

Run it in this folder, with h5py and hdf5plugin: python3 make_odd.py"""

import h5py
import hdf5plugin
import numpy as np

JETS, SLOTS = 20, 8
rng = np.random.default_rng(1)
counts = 1 + np.arange(JETS) % SLOTS
mask = np.arange(SLOTS) < counts[:, None]
csts = rng.normal(0, 0.1, (JETS, SLOTS, 7)).astype("f4")
csts[..., 0] = 100 / (1 + np.arange(SLOTS)) + np.arange(JETS)[:, None]
csts[~mask] = 0
ids = rng.integers(0, 8, (JETS, SLOTS)).astype("i4")
DATA = {"csts": csts, "csts_id": ids, "mask": mask, "labels": np.arange(JETS) % 2}


def write(name, data=DATA, **options):
    """`options` are those of the file, and `dataset`, those of its datasets."""
    dataset = options.pop("dataset", {})
    with h5py.File(f"{name}.h5", "w", **options) as file:
        for key, values in data.items():
            file.create_dataset(key, data=values, **dataset)
        if "labels" in data:
            file["labels"].attrs["names"] = np.array([b"QCD", b"top"])


def virtual(name, parts, source=lambda key: key, columns=None, features=None, fill=1):
    """Virtual datasets of (file, first row, last row), and of the first slots or features only."""
    with h5py.File(f"{name}.h5", "w", libver=("v110", "v110")) as file:
        for key, values in DATA.items():
            layout = h5py.VirtualLayout(values.shape, values.dtype)
            for path, first, last in parts:
                shape = (last - first, *values.shape[1:])
                part = h5py.VirtualSource(path, source(key), shape)
                if features and values.ndim > 2:
                    layout[first:last, :, :features] = part[:, :, :features]
                elif columns and values.ndim > 1:
                    layout[first:last, :columns] = part[:, :columns]
                else:
                    layout[first:last] = part
            file.create_virtual_dataset(key, layout, fillvalue=fill)
        file["labels"].attrs["names"] = np.array([b"QCD", b"top"])


def unwritten(name, written, options=lambda values: {}, slots=SLOTS):
    """Rows `written`, and their first slots, of datasets that were created with all of them."""
    with h5py.File(f"{name}.h5", "w") as file:
        for key, values in DATA.items():
            created = file.create_dataset(key, values.shape, values.dtype, **options(values))
            for rows in written:
                if values.ndim > 1:
                    created[rows, :slots] = values[rows, :slots]
                else:
                    created[rows] = values[rows]


write("whole")
for name, rows in (("part_a", slice(0, 10)), ("part_b", slice(10, 20))):
    write(name, {key: values[rows] for key, values in DATA.items()})
virtual("virtual", [("part_a.h5", 0, 10), ("part_b.h5", 10, 20)])
virtual("virtual_no_source", [("part_a.h5", 0, 10), ("gone.h5", 10, 20)])
virtual("virtual_no_dataset", [("part_a.h5", 0, 10), ("part_b.h5", 10, 20)],
    source=lambda key: "nothing" if key == "mask" else key)
virtual("virtual_unreadable", [("part_a.h5", 0, 10), ("make_odd.py", 10, 20)])
virtual("virtual_too_short", [("part_a.h5", 0, 20)])
virtual("virtual_gap", [("part_a.h5", 0, 10), ("part_b.h5", 10, 17)])
virtual("virtual_repeated", [("part_a.h5", 0, 10), ("part_b.h5", 0, 10)])
virtual("virtual_columns", [("part_a.h5", 0, 10), ("part_b.h5", 10, 20)], columns=6)
virtual("virtual_padded", [("unwritten_slots.h5", 0, 20)], columns=6, fill=0)
virtual("virtual_features", [("part_a.h5", 0, 10), ("part_b.h5", 10, 20)], features=5)
virtual("virtual_nested", [("virtual.h5", 0, 20)])
virtual("virtual_nested_gap", [("virtual_gap.h5", 0, 20)])
virtual("virtual_unwritten", [("unwritten.h5", 0, 20)])


def virtual_targets(name, data, targets):
    """Stored jets with virtual targets, each a dataset of whole.h5."""
    with h5py.File(f"{name}.h5", "w", libver=("v110", "v110")) as file:
        for key, values in data.items():
            file[key] = values
        file["labels"].attrs["names"] = np.array([b"QCD", b"top"])
        for target, source in targets.items():
            layout = h5py.VirtualLayout(DATA[source].shape, "i4")
            layout[...] = h5py.VirtualSource("whole.h5", source, DATA[source].shape)
            file.create_virtual_dataset(target, layout)


virtual_targets("virtual_targets", DATA, {"truth": "labels", "vtx_id": "csts_id"})
virtual_targets("virtual_targets_packed",
    {"offsets": np.append(0, np.cumsum(counts)), "csts": csts[mask], "csts_id": ids[mask], "labels": DATA["labels"]},
    {"truth": "labels"})


def chunked(values):
    return dict(chunks=(5, *(4 for _ in values.shape[1:2]), *values.shape[2:]), compression="gzip")


unwritten("unwritten", [slice(0, 10), slice(15, 20)], chunked)
unwritten("unwritten_contiguous", [])
for name, filter in (("zstd", hdf5plugin.Zstd()), ("blosc", hdf5plugin.Blosc())):
    write(name, dataset=dict(chunks=True, **filter))
write("lzf", dataset=dict(compression="lzf"))
write("lzf_vertices")
with h5py.File("lzf_vertices.h5", "a") as file:
    file.create_dataset("vtx_id", data=ids, compression="lzf")
write("newer", libver=("v114", "v114"))
write("user_block", userblock_size=2048)
write("half", {**DATA, "csts": csts.astype("f2")})
write("mask_minus1", {**DATA, "mask": -mask.astype("i4")})
csts[:, 4:], mask[:, 4:], ids[:, 4:] = 0, False, 0
unwritten("unwritten_slots", [slice(0, 20)], chunked, slots=4)
with h5py.File("texts.h5", "w") as file:
    file["csts"] = np.array([[5, 0.1, 0.1], [4, 0.2, 0.2], [3, 0.1, 0], [2, 0, 0]], "f4")
    file["csts"].attrs["names"] = ["pt", "deta", "dphi"]
    file["csts_id"], file["offsets"], file["labels"] = np.array([0, 1, 2, 3], "u1"), [0, 2, 4], [0, 0]
    file["name"], file["weight"] = ["first", "second"], np.array([1, 2], "f4")
    file["table"] = np.array([(1, 2.0), (3, 4.0)], [("a", "i4"), ("b", "f4")])
