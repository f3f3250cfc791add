"""One set of jets in many forms of HDF5, and with contents that cannot be right."""

import os

import h5py
import numpy as np
from case import accepted, refused

NAMES = ["QCD", "Tbl", "Tbqq", "Wqq", "Zqq", "Hbb", "Hcc", "Hgg", "H4q", "Hqql"]
TEXT = h5py.string_dtype()


class Jets:
    """The arrays of some jets; `write` stores them, with changes."""

    def __init__(self, source, folder, count=200):
        self.folder = folder
        with h5py.File(source) as file:
            self.arrays = {name: file[name][:count] for name in ("csts", "csts_id", "mask", "labels", "jets")}
        self.count = len(self.arrays["labels"])

    def path(self, name):
        return os.path.join(self.folder, f"{name}.h5")

    def write(self, name, names=NAMES, storage=None, opened=None, **changes):
        """`storage` gives the arguments of a dataset by its name and values, `opened` those of the file."""
        with h5py.File(self.path(name), "w", **(opened or {})) as file:
            for key, values in (self.arrays | changes).items():
                if values is not None:
                    file.create_dataset(key, data=values, **(storage(key, values) if storage else {}))
            if names is not None and "labels" in file:
                file["labels"].attrs.create("names", names, dtype=TEXT)
        return self.path(name)

    def changed(self, key, place, value, type_=None):
        values = self.arrays[key].astype(type_ or self.arrays[key].dtype)
        values[place] = value
        return {key: values}


def pretrain(path):
    return ["pretrain", "tiny.yaml", f"data.train=['{path}']"]


def cases(jets):
    yield from _storage(jets)
    yield from _types(jets)
    yield from _links(jets)
    yield from _virtual(jets)
    yield from _contents(jets)
    yield from _shapes(jets)
    yield from _damaged(jets)


def _storage(jets):
    forms = {
        "contiguous": None, "gzip": lambda *_: {"compression": "gzip"}, "auto_chunks": lambda *_: {"chunks": True},
        "fletcher32": lambda *_: {"fletcher32": True, "chunks": True},
        "shuffle": lambda *_: {"compression": "gzip", "shuffle": True},
        "scale_offset": lambda key, _: {"scaleoffset": 0} if key in ("labels", "csts_id") else {},
        "chunks_of_a_jet": lambda _, values: {"chunks": (1, *values.shape[1:])},
        "chunks_of_a_column": lambda _, values: {"chunks": (len(values), *[1] * (values.ndim - 1))},
        "odd_chunks": lambda _, values: {"chunks": (77, *[min(5, size) for size in values.shape[1:]])},
        "extendable": lambda _, values: {"maxshape": (None, *values.shape[1:]), "chunks": (30, *values.shape[1:])},
    }
    for name, form in forms.items():
        yield accepted(f"storage {name}", pretrain(jets.write(name, storage=form)), short=name == "odd_chunks")
    lzf = jets.write("lzf", storage=lambda *_: {"compression": "lzf"})
    yield refused("storage lzf", pretrain(lzf), "lzf", short=True)
    for name, opened in {
            "user_block": {"userblock_size": 1024}, "latest": {"libver": ("earliest", "v110")},
            "earliest": {"libver": "earliest"}, "track_order": {"track_order": True},
            "pages": {"fs_strategy": "page", "fs_page_size": 4096}}.items():
        yield accepted(f"file {name}", pretrain(jets.write(name, opened=opened)), short=name == "user_block")
    yield accepted("inspect user_block", ["inspect", jets.path("user_block")], short=True)
    with h5py.File(jets.path("never_written"), "w") as file:
        for key, values in jets.arrays.items():
            file.create_dataset(key, shape=values.shape, dtype=values.dtype, chunks=True)
    yield refused("storage never written", pretrain(jets.path("never_written")), "never_written.h5", short=True)


def _types(jets):
    arrays = jets.arrays
    for type_ in ("f2", "f8", ">f4", ">f8"):
        name = f"csts_{type_.replace('>', 'big_')}"
        path = jets.write(name, csts=arrays["csts"].astype(type_))
        yield accepted(name, pretrain(path), short=type_ in ("f2", ">f8"))
    for type_ in ("u1", "i1", "i4", "u8", ">i4"):
        name = f"mask_{type_.replace('>', 'big_')}"
        yield accepted(name, pretrain(jets.write(name, mask=arrays["mask"].astype(type_))), short=type_ == ">i4")
    yield accepted("mask_255", pretrain(jets.write("mask_255", mask=arrays["mask"].astype("u1") * 255)))
    for type_ in ("u1", "i2", "i8", ">i4"):
        name = f"id_{type_.replace('>', 'big_')}"
        yield accepted(name, pretrain(jets.write(name, csts_id=arrays["csts_id"].astype(type_))))
    for type_ in ("u1", "i8", ">i4"):
        name = f"labels_{type_.replace('>', 'big_')}"
        yield accepted(name, pretrain(jets.write(name, labels=arrays["labels"].astype(type_))))
    wrong = {
        "id_of_pdg": (jets.changed("csts_id", (5, 1), 211, "i8"), "211"),
        "id_beyond_32_bits": (jets.changed("csts_id", (5, 1), 2**32 + 3, "i8"), "csts_id"),
        "labels_as_floats": ({"labels": arrays["labels"].astype("f4")}, "labels"),
        "labels_one_hot": ({"labels": np.eye(10, dtype="i4")[arrays["labels"]]}, "labels"),
        "label_out_of_range": (jets.changed("labels", 9, 10), "10"),
        "label_negative": (jets.changed("labels", 9, -1), "-1"),
        "csts_text": ({"csts": np.full(arrays["csts"].shape, b"x")}, "csts"),
    }
    for name, (change, text) in wrong.items():
        yield refused(name, pretrain(jets.write(name, **change)), text, short=name in ("id_of_pdg", "labels_one_hot"))


def _links(jets):
    target = os.path.basename(jets.write("target"))
    with h5py.File(jets.path("external_links"), "w") as file:
        for key in jets.arrays:
            file[key] = h5py.ExternalLink(target, f"/{key}")
    yield accepted("external links", pretrain(jets.path("external_links")))
    with h5py.File(jets.path("soft_links"), "w") as file:
        for key, values in jets.arrays.items():
            file[f"deep/er/{key}"] = values
            file[key] = h5py.SoftLink(f"/deep/er/{key}")
    yield accepted("soft links", pretrain(jets.path("soft_links")))
    for name, link in (
            ("soft_dangling", h5py.SoftLink("/none")), ("external_dangling", h5py.ExternalLink("no.h5", "/m"))):
        with h5py.File(jets.write(name, mask=None), "a") as file:
            file["mask"] = link
        yield refused(f"link {name}", pretrain(jets.path(name)), "mask", short=True)
        yield accepted(f"inspect {name}", ["inspect", jets.path(name)], "not usable: /mask")
        yield refused(f"plot {name}", ["kaon-plot", "features", jets.path(name), "--output", "f.png"], "mask")
    with h5py.File(jets.path("in_group"), "w") as file:
        for key, values in jets.arrays.items():
            file[f"group/{key}"] = values
    yield refused("in a group", pretrain(jets.path("in_group")), "in_group.h5")


def _virtual(jets):
    half = jets.count // 2
    for name, rows in (("part_a", slice(0, half)), ("part_b", slice(half, None))):
        jets.write(name, **{key: values[rows] for key, values in jets.arrays.items()})

    def virtual(name, parts):
        with h5py.File(jets.path(name), "w", libver=("v110", "v110")) as file:
            for key, values in jets.arrays.items():
                layout = h5py.VirtualLayout(values.shape, values.dtype)
                for part, start, end in parts:
                    layout[start:end] = h5py.VirtualSource(part, key, shape=(end - start, *values.shape[1:]))
                file.create_virtual_dataset(key, layout)
            file["labels"].attrs.create("names", NAMES, dtype=TEXT)
        return pretrain(jets.path(name))

    first, second = ("part_a.h5", 0, half), ("part_b.h5", half, jets.count)
    yield accepted("virtual whole", virtual("virtual_whole", [first, second]), short=True)
    missing = virtual("virtual_missing", [first, ("gone.h5", *second[1:])])
    yield refused("virtual source missing", missing, "gone.h5", True)
    yield refused("virtual all missing", virtual("virtual_none", [("gone.h5", 0, jets.count)]), "gone.h5")
    yield refused("virtual gap", virtual("virtual_gap", [first]), "virtual_gap.h5", True)
    # A size with which the library would read the same object of the heap of mappings again and again.
    for name, command in (("virtual heap", pretrain), ("inspect virtual heap", lambda path: ["inspect", path])):
        virtual(name.replace(" ", "_"), [first, second])
        path = jets.path(name.replace(" ", "_"))
        with open(path, "r+b") as file:
            data = file.read()
            file.seek(data.index(b"GCOL") + 24)
            file.write((2**64 - 16).to_bytes(8, "little"))
        yield refused(name, command(path), "does not terminate; the file is damaged", True)


def _contents(jets):
    arrays = jets.arrays
    csts, mask = arrays["csts"], arrays["mask"].astype(bool)
    padding = csts.copy()
    padding[~mask] = np.nan
    yield accepted("NaN in padding", pretrain(jets.write("nan_padding", csts=padding)))
    identities = arrays["csts_id"].astype("i4")
    identities[~mask] = -1
    yield accepted("identity -1 in padding", pretrain(jets.write("id_padding", csts_id=identities)))
    for name, place, value, text in (
            ("nan", (7, 0, 4), np.nan, "nan"), ("infinite", (7, 0, 1), np.inf, "infinite.h5"),
            ("negative_pt", (7, 0, 0), -5, "pT"), ("zero_pt", (7, 0, 0), 0, "pT")):
        path = jets.write(name, **jets.changed("csts", place, value))
        yield refused(f"value {name}", pretrain(path), text, short=name in ("nan", "zero_pt"))
    yield refused(
        "value beyond float32", pretrain(jets.write("overflow", **jets.changed("csts", (7, 0, 0), 1e300, "f8"))),
        "overflow.h5")
    columns = csts[..., [1, 2, 0, 3, 4, 5, 6]]
    absolute = csts.copy()
    absolute[..., 1:3] += arrays["jets"][:, None, 1:3]
    logarithm = csts.copy()
    logarithm[..., 0] = np.log(np.maximum(csts[..., 0], 1e-6))
    milli = csts.copy()
    milli[..., 0] *= 1000
    errors = csts.copy()
    errors[..., 4] = 0
    yield refused("mask inverted", pretrain(jets.write("inverted_mask", mask=~mask)), "inverted_mask.h5", True)
    yield refused("mask all true", pretrain(jets.write("all_true_mask", mask=np.ones_like(mask))), "all_true", True)
    yield refused("mask all false", pretrain(jets.write("all_masked", mask=np.zeros_like(mask))), "all_masked.h5")
    half = mask.copy()
    half[::2] = False
    yield refused("jets without constituents", pretrain(jets.write("half_masked", mask=half)), "half_masked.h5", True)
    yield refused("angles first", pretrain(jets.write("angles_first", csts=columns)), "angles_first.h5", True)
    yield refused("logarithm of pT", pretrain(jets.write("log_pt", csts=logarithm)), "log_pt.h5", True)
    for name, values, text in (
            ("absolute_angles", absolute, "more than a jet radius"), ("pt_in_mev", milli, "is it in MeV?"),
            ("no_errors", errors, "'d0err'")):
        yield accepted(f"warning {name}", pretrain(jets.write(name, csts=values)), text, short=name == "pt_in_mev")
    yield accepted(
        "warning one identity", pretrain(jets.write("one_identity", csts_id=np.full_like(arrays["csts_id"], 3))),
        "all constituents have the identity 3")
    order = np.argsort(np.random.default_rng(1).random(mask.shape), axis=1)
    yield accepted("slots in any order", pretrain(jets.write(
        "shuffled", mask=np.take_along_axis(mask, order, 1),
        csts_id=np.take_along_axis(arrays["csts_id"], order, 1),
        csts=np.take_along_axis(csts, order[..., None], 1))))


def _shapes(jets):
    arrays = jets.arrays
    for name, change, text in (
            ("no_mask", {"mask": None}, "mask"), ("no_ids", {"csts_id": None}, "csts_id"),
            ("no_csts", {"csts": None}, "csts"), ("no_labels", {"labels": None}, "labels"),
            ("transposed", {"csts": np.swapaxes(arrays["csts"], 1, 2).copy()}, "csts"),
            ("eight_features", {"csts": np.concatenate([arrays["csts"], arrays["csts"][..., :1]], -1)}, "csts"),
            ("other_length", {"mask": arrays["mask"][:-1]}, "mask"),
            ("single_value", {"labels": np.int32(1)}, "labels"),
            ("labels_column", {"labels": arrays["labels"][:, None]}, "labels"),
            ("empty", {key: values[:0] for key, values in arrays.items()}, "empty.h5")):
        path = jets.write(name, names=None, **change)
        yield refused(f"shape {name}", pretrain(path), text, short=name in ("no_mask", "transposed", "single_value"))
        if name not in ("eight_features", "transposed"):
            yield refused(
                f"plot {name}", ["kaon-plot", "features", path, "--output", "f.png"], name,
                short=name == "single_value")
    parts = ("csts", "csts_id", "mask")
    more = {key: np.concatenate([arrays[key], np.zeros_like(arrays[key])], 1) for key in parts}
    yield accepted("more slots than constituents", pretrain(jets.write("more_slots", **more)), short=True)
    few = {key: arrays[key][:, :10] for key in parts}
    yield accepted("few slots", pretrain(jets.write("few_slots", **few)))
    with h5py.File(jets.write("compound", csts=None), "a") as file:
        file["csts"] = np.zeros(arrays["mask"].shape, [("pt", "f4"), ("deta", "f4")])
    yield refused("compound csts", pretrain(jets.path("compound")), "csts")
    with h5py.File(jets.write("ragged", csts_id=None), "a") as file:
        file.create_dataset("csts_id", (jets.count,), dtype=h5py.vlen_dtype("i4"))
    yield refused("ragged csts_id", pretrain(jets.path("ragged")), "csts_id")


def _damaged(jets):
    with open(jets.write("whole"), "rb") as file:
        data = file.read()
    for name, content in {
            "cut": data[:len(data) // 2], "head": data[:96], "text": b"hello", "nothing": b"",
            "zeros": bytes(4096)}.items():
        with open(jets.path(name), "wb") as file:
            file.write(content)
        yield refused(f"damaged {name}", pretrain(jets.path(name)), f"{name}.h5", short=name in ("cut", "text"))
        yield refused(f"inspect {name}", ["inspect", jets.path(name)], f"{name}.h5")
        yield refused(f"plot {name}", ["kaon-plot", "features", jets.path(name), "--output", "f.png"], f"{name}.h5")
    yield refused("no file", pretrain(jets.path("none")), "none.h5", True)
    yield refused("an empty folder", pretrain("."), ".")
