"""What the tasks of a model recover of jets whose constituents were hidden in part.

In the manner of figure A.3 of the MPMv2 thesis: a row a jet, a column for the jet, for what was left of it, and for
every task; each constituent is a circle in the plane of Δη and Δφ whose area grows with its pT.
"""

import h5py
import matplotlib
import numpy as np
from kaon_data import DataError

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import mplhep  # noqa: E402

_TITLES = {
    "original": "original", "survivors": "survivors", "regression": "regression", "kmeans": "k-means",
    "vqvae": "VQ-VAE", "flow": "flow", "flow_matching": "flow matching", "set_flow": "set-to-set flow",
    "bins": "bins",
}


_STYLE = {
    "font.size": 12, "axes.labelsize": 12, "axes.titlesize": 14, "xtick.labelsize": 10, "ytick.labelsize": 10,
    "xaxis.labellocation": "center", "yaxis.labellocation": "center",
}


def read(path, jets):
    """The classes of some jets, and for every part of a file of `kaon generate --reconstruct` their constituents.

    A list of class names, and a dictionary of names to lists of arrays [constituents, 7].
    """
    try:
        with h5py.File(path) as file:
            names = list(file.attrs["reconstructions"])
            labels = file["labels"][:]
            classes = [str(name) for name in file["labels"].attrs.get("names", [])]
            if max(jets) >= len(labels):
                raise DataError(f"{path} has {len(labels)} jets; there is no jet {max(jets)}")
            parts = {}
            for name in ["original", "survivors", "dropped", *names]:
                offsets = file[name]["offsets"][:]
                parts[name] = [file[name]["csts"][offsets[jet]:offsets[jet + 1]] for jet in jets]
            return [classes[labels[jet]] if classes else "" for jet in jets], parts
    except (OSError, KeyError) as error:
        raise DataError(f"{path} is no file of 'kaon generate --reconstruct': {error}") from error


def plot_reconstruction(files, path, jets):
    """Draws jets of one file, or of several with the same jets by different models, into a picture."""
    classes, columns = None, {}
    for file in files:
        classes, parts = read(file, jets)
        if "original" in columns and not all(
            np.allclose(a, b, rtol=1e-2, atol=1e-2) for a, b in zip(parts["survivors"], columns["survivors"])
            if a.shape == b.shape
        ):
            raise DataError(f"{file} has other jets than {files[0]}")
        for name, constituents in parts.items():
            columns.setdefault(name, constituents)
    survivors = columns["survivors"]
    del columns["dropped"]
    with plt.style.context([mplhep.style.ATLAS, _STYLE]):
        figure, axes = plt.subplots(
            len(jets), len(columns), figsize=(2.7 * len(columns) + 0.6, 2.7 * len(jets) + 0.4), squeeze=False,
            sharex="row", sharey="row", constrained_layout=True)
        for row, jet in enumerate(jets):
            original = columns["original"][row]
            reach = 1.15 * max(np.abs(original[:, 1:3]).max(initial=0.05), 0.05)
            scale = 500 / max(original[:, 0].max(initial=1), 1e-6)
            for axis, (name, constituents) in zip(axes[row], columns.items()):
                recovered = name not in ("original", "survivors")
                if recovered:
                    _draw(axis, survivors[row], scale, "0.75")
                _draw(axis, constituents[row], scale, "tab:red" if recovered else "tab:blue")
                axis.set_xlim(-reach, reach)
                axis.set_ylim(-reach, reach)
                axis.set_aspect("equal")
                if row == 0:
                    axis.set_title(_TITLES.get(name, name))
                if row == len(jets) - 1:
                    axis.set_xlabel(r"$\Delta\eta$")
            axes[row][0].set_ylabel(rf"{classes[row] or 'jet'} {jet}" + "\n" + r"$\Delta\phi$")
        figure.savefig(path, dpi=120)
        plt.close(figure)


def _draw(axis, constituents, scale, color):
    axis.scatter(
        constituents[:, 1], constituents[:, 2], s=np.maximum(constituents[:, 0] * scale, 1.5), color=color, alpha=0.5,
        linewidths=0)
