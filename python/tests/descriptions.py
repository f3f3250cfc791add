"""The descriptions of `convert-table`, and what it writes."""

from pathlib import Path

import h5py

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "data"


def arrays_of(path):
    with h5py.File(path) as file:
        return {name: file[name][:] for name in file} | {
            f"{name}/names": list(file[name].attrs.get("names", [])) for name in file}
