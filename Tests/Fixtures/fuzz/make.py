"""Writes padded.h5 and packed.h5: small files in the oldest HDF5 format, the default of h5py, whose metadata has no
checksums. Run it in this folder: python3 make.py"""

import h5py
import numpy as np

random = np.random.default_rng(0)
counts = np.array([3, 8, 1, 5, 8, 2])
names = ["QCD", "Hbb"]


def momenta(count):
    """Decreasing pT [GeV]."""
    return 100 / (1 + np.arange(count))


with h5py.File("padded.h5", "w") as f:
    mask = np.arange(8) < counts[:, None]
    values = random.standard_normal((6, 8, 7)).astype("f4")
    values[..., 0] = momenta(8)
    values *= mask[:, :, None]
    f.create_dataset("csts", data=values, chunks=(2, 8, 7), compression="gzip", shuffle=True)
    f["csts_id"] = random.integers(8, size=(6, 8)).astype("i4") * mask
    f.create_dataset("mask", data=mask, chunks=(3, 8), fletcher32=True)
    f["labels"] = np.arange(6) % 2
    f["labels"].attrs["names"] = names
    f["jets"] = random.standard_normal((6, 5)).astype("f4")

with h5py.File("packed.h5", "w") as f:
    f["offsets"] = np.concatenate([[0], np.cumsum(counts)])
    values = random.standard_normal((counts.sum(), 7)).astype("f4")
    values[:, 0] = np.concatenate([momenta(count) for count in counts])
    f.create_dataset("csts", data=values, chunks=(8, 7))
    identities = random.integers(8, size=counts.sum()).astype("u1")
    f.create_dataset("csts_id", data=identities, chunks=(16,), compression="gzip")
    f["labels"] = (np.arange(6) % 2).astype("i2")
    f["labels"].attrs["names"] = np.array([name.encode() for name in names])
