"""Writes h5py.h5 and attributes.h5 for HDF5Tests, with the types and layouts of Python programs.

Run it in this folder: python3 make_h5py.py"""

import h5py
import numpy as np

with h5py.File("h5py.h5", "w") as f:
    rows = np.arange(12 * 5 * 3).reshape(12, 5, 3)
    f.create_dataset("csts", data=rows.astype("f4") / 4, chunks=(4, 5, 3), compression="gzip", shuffle=True)
    f["csts"].attrs["names"] = ["pt", "Δη", "Δφ"]
    f.create_dataset("mask", data=rows[:, :, 0] % 2 == 0, chunks=(4, 5))
    f["labels"] = np.arange(12) % 3
    f["labels"].attrs["names"] = np.array([b"QCD", b"Tbqq", b"Wqq"])  # of fixed length, padded with zeros

    for name in ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"]:
        f[f"types/{name}"] = np.array([1, 2, 3], name)
    f["types/big_endian"] = np.array([1, 2, 3], ">f4")
    f["types/half"] = np.array([1, 2, 3], "f2")
    f["types/text"] = ["a", "bc"]
    f["types/pair"] = np.zeros(2, [("x", "f4"), ("y", "i4")])
    f["types/single"] = 42.5
    f["types/empty"] = np.zeros((0, 4), "f4")
    f["lost"] = h5py.SoftLink("/nowhere")
    f["alias"] = h5py.SoftLink("/labels")

    f.attrs["text"] = "√s = 13 TeV"
    f.attrs["bytes"] = np.bytes_("plain")
    f.attrs["empty text"] = ""
    f.attrs["no text"] = h5py.Empty("S1")
    f.attrs["integer"] = 7
    f.attrs["unsigned"] = np.uint8(200)
    f.attrs["flag"] = True
    f.attrs["number"] = 0.5
    f.attrs["single"] = np.float32(0.25)
    f.attrs["integers"] = [1, 2, 3]
    f.attrs["numbers"] = [0.5, 1.5]
    f.attrs["matrix"] = np.arange(6).reshape(2, 3)
    f.attrs["space padded"] = np.array(b"ab")
    tid = h5py.h5t.C_S1.copy()
    tid.set_size(8)
    tid.set_strpad(h5py.h5t.STR_SPACEPAD)
    space = h5py.h5s.create(h5py.h5s.SCALAR)
    del f.attrs["space padded"]
    h5py.h5a.create(f.id, b"space padded", tid, space).write(np.array(b"ab      ", "S8"), mtype=tid)

with h5py.File("attributes.h5", "w") as f:
    f.attrs["matrix"] = np.arange(6).reshape(2, 3)
    f.attrs["one of a list"] = [5]
    f.attrs["one text of a list"] = ["only"]
    f.attrs["texts"] = [["a", "bc"], ["", "Δη"]]
    f.attrs["fixed texts"] = np.array([b"ab", b"c"])
    f.attrs["largest"] = np.uint64(2**64 - 1)
    f.attrs["flag"] = True
    f.attrs["half"] = np.float16(1.5)
    f.attrs["big endian"] = np.array([1, 2], ">i2")
    f.attrs["nothing"] = h5py.Empty("f4")
    f.attrs["no numbers"] = np.zeros((0, 2), "i4")
    f.attrs["complex"] = np.complex64(1 + 2j)
    f.attrs.create("lists", [np.arange(2), np.arange(3)], dtype=h5py.vlen_dtype("i4"))
    f["type"] = np.dtype("i2")
    f.attrs.create("named type", 7, dtype=f["type"])
    f.attrs["reference"] = f.ref
    f.attrs.create("references", [(f.ref, 1)], dtype=[("object", h5py.ref_dtype), ("index", "i4")])
