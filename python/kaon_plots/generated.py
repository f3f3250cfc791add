"""Comparison of generated jets with data: distributions of constituents and jets, and their distances."""

import awkward as ak
import numpy as np

from kaon_data import DataError

from .style import drawing

_PANELS = [
    ("pt", r"constituent $p_\mathrm{T}$ [GeV]", "log"),
    ("deta", r"constituent $\Delta\eta$", "linear"),
    ("dphi", r"constituent $\Delta\phi$", "linear"),
    ("count", "constituents", "linear"),
    ("jet_pt", r"jet $p_\mathrm{T}$ [GeV]", "linear"),
    ("jet_mass", "jet mass [GeV]", "linear"),
]
_BINS = 50


def quantities(jets):
    """The compared quantities of jets from `kaon_data.read`: name to values."""
    constituents = jets.constituents
    result = {name: ak.to_numpy(ak.flatten(constituents[name])) for name in ("pt", "deta", "dphi")}
    result["count"] = ak.to_numpy(ak.num(constituents))
    result["jet_pt"], result["jet_mass"] = _momenta(constituents)
    return result


def wasserstein(a, b):
    """The Wasserstein distance of two samples: the area between their cumulative distribution functions."""
    a, b = np.sort(a).astype(float), np.sort(b).astype(float)
    points = np.sort(np.concatenate([a, b]))
    below = [np.searchsorted(each, points[:-1], side="right") / len(each) for each in (a, b)]
    return float(np.sum(np.abs(below[0] - below[1]) * np.diff(points)))


def plot_generated(generated, data, path):
    """Draws two arrays of jets; returns name, distance and standard deviation of the data for each quantity."""
    for jets, what in ((generated, "generated jets"), (data, "data")):
        if not len(ak.flatten(jets.constituents.pt)):
            raise DataError(f"the {what} have no constituents: give other files")
    made, real = quantities(generated), quantities(data)
    with drawing(path, 2, 3, size=(4, 3.5)) as (_, axes):
        for (name, label, scale), axis in zip(_PANELS, axes.flat):
            edges = _edges(real[name], name, scale)
            for values, title, style in [
                (real[name], "data", {"color": "0.6", "fill": True, "alpha": 0.5}),
                (made[name], "generated", {"color": "tab:red", "linewidth": 1.6}),
            ]:
                counts, _ = np.histogram(values, edges)
                axis.stairs(counts / max(len(values), 1), edges, label=title, **style)
            axis.set_xscale(scale)
            axis.set_xlim(edges[0], edges[-1])
            axis.set_xlabel(label)
            axis.set_ylabel("fraction per bin")
        axes.flat[0].legend(frameon=False)
    return [(name, wasserstein(made[name], real[name]), float(np.std(real[name]))) for name, _, _ in _PANELS]


def _momenta(constituents):
    """pT and mass of jets from massless constituents, in the frame of the jet axis."""
    pt, eta, phi = (ak.values_astype(constituents[name], np.float64) for name in ("pt", "deta", "dphi"))
    px, py = ak.sum(pt * np.cos(phi), axis=1), ak.sum(pt * np.sin(phi), axis=1)
    pz, energy = ak.sum(pt * np.sinh(eta), axis=1), ak.sum(pt * np.cosh(eta), axis=1)
    transverse = ak.to_numpy(px) ** 2 + ak.to_numpy(py) ** 2
    squared = ak.to_numpy(energy) ** 2 - transverse - ak.to_numpy(pz) ** 2
    return np.sqrt(transverse), np.sqrt(np.maximum(squared, 0))


def _edges(values, name, scale):
    if name == "count":
        step = max(1, int(np.ceil(np.quantile(values, 0.999) / _BINS)))
        return np.arange(0, np.quantile(values, 0.999) + 2 * step, step) - 0.5
    low, high = np.quantile(values, [0.001, 0.999])
    if scale == "log":
        low = np.quantile(values[values > 0], 0.001)
        return np.geomspace(low, high, _BINS + 1)
    return np.linspace(low, high if high > low else low + 1, _BINS + 1)
