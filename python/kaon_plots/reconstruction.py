"""Reconstruction of dropped constituents by the tasks of models: distributions of single jets in the style of figure
A.3 of the MPMv2 thesis, or circles in the Δη–Δφ plane."""

from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
from matplotlib.ticker import MaxNLocator, NullLocator

from kaon_data import IDENTITIES, DataError
from kaon_data.formats import FEATURES
from kaon_data.reader import texts

from . import panels
from .style import COLORS, REFERENCE, drawing, legend_outside

_TITLES = {
    "regression": "regression", "kmeans": "k-means", "vqvae": "VQ-VAE", "flow": "flow",
    "flow_matching": "flow matching", "set_flow": "set-to-set flow", "bins": "bins",
}
_FEATURES, _EVENT_FEATURES = ([panel.label.removeprefix("constituent ") for panel in (panels.PT, *angles)]
                              for angles in ((panels.DETA, panels.DPHI), (panels.ETA, panels.PHI)))
_BINS = 16
#: Grey is the whole jet, blue the survivors.
_BLUE = (0.65, 0.8, 0.92)
_COLORS = [COLORS[index] for index in (2, 1, 3, 7, 4, 6, 9, 8)]


@dataclass
class Jets:
    """Jets of one or several files; each part is a list of arrays [constituents, 8]: the seven features (η and φ of
    events in place of Δη and Δφ) and the identity, NaN in files without."""

    #: The name of each jet.
    names: list
    original: list
    survivors: list
    dropped: list
    #: By method: the reconstructed constituents, and the survivors together with them.
    recovered: dict = field(default_factory=dict)
    whole: dict = field(default_factory=dict)
    #: True for events, and the names of the identities.
    are_events: bool = False
    kinds: list = field(default_factory=lambda: IDENTITIES)

    @property
    def labels(self):
        """Those of pT and the two angles."""
        return _EVENT_FEATURES if self.are_events else _FEATURES


def read(files, numbers=None, names=None, most=None):
    """Reads jets with these numbers, by default all or the first `most`, from a file of `kaon generate --reconstruct`,
    or from several files with the same jets by different models. `names` names the files if several contain the same
    task."""
    parts = [_read(path, numbers, most) for path in files]
    first = parts[0]
    for path, part in zip(files, parts):
        _check_same(part, path, first, files[0])
    jets = Jets(first["jets"], first["original"], first["survivors"], first["dropped"],
                are_events=first["are_events"], kinds=first["kinds"])
    tasks = [task for part in parts for task in part["tasks"]]
    for name, part in zip(names or files, parts):
        for task, recovered in part["tasks"].items():
            title = _TITLES.get(task, task) + (f" ({name})" if tasks.count(task) > 1 else "")
            if title in jets.recovered:
                raise DataError(f"several files contain {title}; distinguish them with --names")
            jets.recovered[title] = recovered
            # Models differ in how precisely they represent the survivors.
            jets.whole[title] = [np.concatenate(pair) for pair in zip(part["survivors"], recovered)]
    return jets


def _read(path, numbers, most):
    if not Path(path).exists():
        raise DataError(f"{path} does not exist: give files of 'kaon generate --reconstruct'")
    try:
        with h5py.File(path) as file:
            labels = file["labels"][:]
            classes = _names(file["labels"])
            is_all = numbers is None and most is None
            numbers = range(len(labels))[:most] if numbers is None else numbers
            if max(numbers, default=0) >= len(labels):
                raise DataError(f"{path} has {len(labels)} jets; there is no jet {max(numbers, default=0)}")

            names = _names(file["original/csts"]) or FEATURES
            csts = file["original/csts"]
            are_events = "eta" in names and panels.are_of_events(
                *(csts[:, names.index(name)] for name in ("deta", "eta")))

            def part(name):
                group, offsets = file[name], file[name]["offsets"][:]
                if is_all:
                    return np.split(_rows(group, slice(None), are_events), offsets[1:-1])
                return [_rows(group, slice(offsets[jet], offsets[jet + 1]), are_events) for jet in numbers]

            noun = "event" if are_events else "jet"
            return {
                "are_events": are_events, "kinds": _identities(file),
                "jets": [f"{noun} {jet}" + (f" ({classes[labels[jet]]})" if classes else "") for jet in numbers],
                "original": part("original"), "survivors": part("survivors"),
                "dropped": part("dropped"),
                "tasks": {name: part(name) for name in texts(file.attrs["reconstructions"])},
            }
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is not a file of 'kaon generate --reconstruct': {error}") from error


def _rows(group, rows, are_events):
    csts = group["csts"][rows]
    identities = group["csts_id"][rows] if "csts_id" in group else np.full(len(csts), np.nan)
    columns = list(csts[:, :len(FEATURES)].T)
    if are_events:
        own = dict(zip(_names(group["csts"]), csts.T))
        columns[1] = own["eta"]
        columns[2] = own["phi"] if "phi" in own else np.arctan2(own["sinphi"], own["cosphi"])
    return np.column_stack([*columns, identities])


def _identities(file):
    """The names of the identities, by their numbers; not all groups have identities."""
    found = (_names(file[name]["csts_id"]) for name in file if f"{name}/csts_id" in file)
    return next(filter(None, found), IDENTITIES)


def _names(dataset):
    return texts(dataset.attrs.get("names", []))


def _check_same(part, path, first, other):
    if part["jets"] != first["jets"] or not _are_same(part["original"], first["original"]):
        raise DataError(f"{path} and {other} contain different jets")
    if not _are_same(part["survivors"], first["survivors"]):
        raise DataError(
            f"{path} and {other} dropped different constituents; use the same --fraction and --seed for both")


def _are_same(some, others):
    """True if the constituents agree up to the effect of the models' preprocessing, which may clip a few."""
    if [len(each) for each in some] != [len(each) for each in others]:
        return False
    a, b = (np.concatenate(each)[:, :3] for each in (some, others))
    return not len(a) or np.isclose(a, b, rtol=0.02, atol=0.01).mean() > 0.9


def plot_distributions(jets, path):
    """Draws pT, Δη and Δφ of the constituents of each jet: the whole jet and the survivors, filled, and one line per
    method for the survivors together with the reconstructed constituents."""
    with drawing(path, len(jets.names), 3, size=(4.4, 2.9)) as (figure, axes):
        for row, name in enumerate(jets.names):
            for column, axis in enumerate(axes[row]):
                _draw_distributions(axis, jets, row, column)
            axes[row, 0].set_ylabel(f"{name}\nconstituents per bin")
        for axis, label in zip(axes[-1], jets.labels):
            axis.set_xlabel(label)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        legend_outside(figure, handles, labels)


def _draw_distributions(axis, jets, row, column):
    edges = _edges(jets.original[row][:, column], is_logarithmic=column == 0)

    def counts(constituents):
        # What lies beyond the axis is counted at its ends.
        return np.histogram(np.clip(constituents[row][:, column], edges[0], edges[-1]), edges)[0]

    axis.stairs(counts(jets.original), edges, fill=True, color=REFERENCE, label="original")
    axis.stairs(counts(jets.survivors), edges, fill=True, color=_BLUE, label="survivors")
    for number, (name, constituents) in enumerate(jets.whole.items()):
        # Thinner and thinner, so that each can be seen where all agree.
        width = 1.1 + 1.5 * (1 - number / max(1, len(jets.whole) - 1))
        axis.stairs(counts(constituents), edges, baseline=None, color=_COLORS[number % len(_COLORS)], linewidth=width,
                    label=name)
    if column == 0:
        axis.set_xscale("log")
    axis.set_xlim(edges[0], edges[-1])
    axis.set_ylim(bottom=0)
    axis.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axis.yaxis.set_minor_locator(NullLocator())


def _edges(values, is_logarithmic):
    """Bins over the values of a jet with a margin."""
    if is_logarithmic:
        values = values[values > 0]
        low, high = values.min(initial=1e3), values.max(initial=1)
        return np.geomspace(low / 1.5, high * 1.5, _BINS + 1) if low <= high else np.geomspace(1, 1e3, _BINS + 1)
    return np.linspace(-_reach(values), _reach(values), _BINS + 1)


def _reach(angles):
    """Half the length of an axis centred at zero."""
    return 1.15 * max(np.abs(angles).max(initial=0), 0.05)


def plot_plane(jets, path):
    """Draws one row per jet, with columns for the whole jet, the survivors, and every method; each constituent is a
    circle in the Δη–Δφ plane with an area proportional to its pT. All panels have the same range, since only those at
    the edges have tick labels."""
    columns = {"original": jets.original, "survivors": jets.survivors, **jets.recovered}
    reach = _reach(np.concatenate([each[:, 1:3] for each in jets.original]))
    with drawing(path, len(jets.names), len(columns), size=(2.8, 2.8)) as (_, axes):
        for row, jet in enumerate(jets.names):
            original = jets.original[row]
            scale = 500 / max(original[:, 0].max(initial=1), 1e-6)
            for axis, (name, constituents) in zip(axes[row], columns.items()):
                if name in jets.recovered:
                    _draw_circles(axis, jets.survivors[row], scale, "0.75")
                _draw_circles(axis, constituents[row], scale, COLORS[2 if name in jets.recovered else 0])
                axis.set_xlim(-reach, reach)
                axis.set_ylim(-reach, reach)
                axis.set_aspect("equal")
                axis.label_outer()
                if row == 0:
                    axis.set_title(name, fontsize=13)
            axes[row, 0].set_ylabel(f"{jet}\n" + jets.labels[2])
        for axis in axes[-1]:
            axis.set_xlabel(jets.labels[1])


def _draw_circles(axis, constituents, scale, color):
    axis.scatter(
        constituents[:, 1], constituents[:, 2], s=np.maximum(constituents[:, 0] * scale, 1.5), color=color, alpha=0.5,
        linewidths=0)
