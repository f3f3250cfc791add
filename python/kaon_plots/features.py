"""Distributions of the features of constituents and jets, with several data sets overlaid.

In the style of the figure in the MPMv2 thesis: one panel per feature, normalised, logarithmic, impact parameters of
charged constituents only, and the identities as bars.
"""

from dataclasses import dataclass

import awkward as ak
import matplotlib.pyplot as plt
import numpy as np

from kaon_data import DataError

from .style import COLORS, drawing

IDENTITIES = [r"$\gamma$", "$h^-$", "$h^0$", "$h^+$", "$e^-$", "$e^+$", r"$\mu^-$", r"$\mu^+$"]
_NEUTRAL = (0, 2)
_BINS = 30
_LINSCALE = 0.9  # makes each half of the linear range of matplotlib's symlog axis as long as a decade
_LINEAR = 0.05  # mm: the axis of impact parameters is linear below, logarithmic above


@dataclass(frozen=True)
class Panel:
    """One quantity: its name, its label, and the scale of its axis."""

    name: str
    label: str
    kind: str  # constituent, charged or jet
    scale: str = "linear"  # linear, log, symmetric, signed (logarithmic to both sides) or integer
    logarithmic: bool = True


PANELS = [
    Panel("pt", r"constituent $p_\mathrm{T}$ [GeV]", "constituent", "log"),
    Panel("deta", r"$\Delta\eta$", "constituent", "symmetric"),
    Panel("dphi", r"$\Delta\phi$", "constituent", "symmetric"),
    Panel("d0", "$d_0$ [mm]", "charged", "signed"),
    Panel("dz", "$d_z$ [mm]", "charged", "signed"),
    Panel("d0err", r"$\sigma(d_0)$ [mm]", "charged", "log"),
    Panel("dzerr", r"$\sigma(d_z)$ [mm]", "charged", "log"),
    Panel("id", "identity", "constituent"),
    Panel("count", "constituents", "jet", "integer", logarithmic=False),
    Panel("pt", r"jet $p_\mathrm{T}$ [GeV]", "jet"),
    Panel("mass", "jet mass [GeV]", "jet", logarithmic=False),
]


@dataclass
class Curve:
    """A set of jets, with its name and style in every panel."""

    name: str
    jets: ak.Array
    color: str
    style: str = "-"

    def values(self, panel):
        """The values of a quantity; None if the files do not contain it."""
        constituents = self.jets.constituents
        if panel.name == "count":
            return ak.to_numpy(ak.num(constituents))
        if panel.kind == "jet":
            return ak.to_numpy(self.jets[panel.name]) if panel.name in self.jets.fields else None
        values = ak.to_numpy(ak.flatten(constituents[panel.name]))
        if panel.kind == "charged":
            values = values[~np.isin(ak.to_numpy(ak.flatten(constituents.id)), _NEUTRAL)]
        return values


def plot_features(datasets, path, by_class=False):
    """Draws the distributions of arrays from `kaon_data.read` to a file; its suffix determines the format.

    `datasets` maps names to arrays. With `by_class` every class is a curve, and data sets differ in the line style.
    """
    for name, jets in datasets.items():
        if not len(jets):
            raise DataError(f"{name} has no jets: give other files")
    curves = _curves(datasets, by_class)
    with drawing(path, 3, 4, size=(3.75, 10 / 3)) as (_, axes):
        for panel, axis in zip(PANELS, axes.flat):
            (_draw_identities if panel.name == "id" else _draw)(axis, panel, curves)
        _draw_legend(axes.flat[-1], curves)


def _curves(datasets, by_class):
    if not by_class:
        return [Curve(name, jets, COLORS[i % 10]) for i, (name, jets) in enumerate(datasets.items())]
    curves = []
    for style, (name, jets) in zip(["-", "--", ":", "-."] * len(datasets), datasets.items()):
        names = jets.attrs.get("class_names") or []
        for label in np.unique(ak.to_numpy(jets.label)):
            title = names[label] if label < len(names) else f"class {label}"
            curves.append(Curve(
                title if len(datasets) == 1 else f"{name}: {title}", jets[jets.label == label],
                COLORS[label % 10], style,
            ))
    return curves


def _draw(axis, panel, curves):
    found = [(curve, curve.values(panel)) for curve in curves]
    # A feature that the model does not use is zero everywhere, and cannot be drawn on a logarithmic axis.
    found = [(curve, values) for curve, values in found
             if values is not None and (np.any(values > 0) if panel.scale == "log" else len(values))]
    axis.set_xlabel(panel.label)
    if not found:
        axis.text(0.5, 0.5, "not in these files", ha="center", va="center", transform=axis.transAxes)
        return
    edges = _edges([values for _, values in found], panel.scale)
    lowest, highest = np.inf, 0
    for curve, values in found:
        # Bins have equal widths on the page, so the heights are fractions.
        counts, _ = np.histogram(values, edges)
        fractions = counts / len(values)
        axis.stairs(
            fractions, edges, baseline=None, color=curve.color, linestyle=curve.style,
            linewidth=1.6 if len(curves) < 5 else 1.1,
        )
        lowest = min(lowest, fractions[fractions > 0].min(initial=np.inf))
        highest = max(highest, fractions.max())
    if panel.scale == "log":
        axis.set_xscale("log")
    elif panel.scale == "signed":
        axis.set_xscale("symlog", linthresh=_LINEAR, linscale=_LINSCALE)
        decades = 10.0 ** np.arange(-1, np.floor(np.log10(edges[-1])) + 1)
        axis.set_xticks([-10, -0.1, 0, 0.1, 10], ["−10", "−0.1", "0", "0.1", "10"])
        axis.set_xticks([*-decades, *decades], minor=True)
    axis.set_xlim(edges[0], edges[-1])
    if panel.logarithmic:
        axis.set_yscale("log")
        axis.set_ylim(max(lowest / 2, highest * 1e-6), highest * 3)
    else:
        axis.set_ylim(0, highest * 1.15)
    axis.set_ylabel("fraction per bin")


def _edges(values, scale):
    """Bins over the range that contains nearly all values of every data set."""
    if scale == "integer":
        top = max(np.quantile(each, 0.999) for each in values)
        step = max(1, int(np.ceil(top / _BINS)))
        return np.arange(0, top + 2 * step, step) - 0.5
    tail = 0.001
    low = min(np.quantile(each, tail) for each in values)
    high = max(np.quantile(each, 1 - tail) for each in values)
    if scale == "symmetric":
        high = max(abs(low), abs(high))
        return np.linspace(-high, high, _BINS + 1)
    if scale == "signed":
        high = max(abs(low), abs(high), 2 * _LINEAR)
        # On the axis the linear half has length 1, and so has every decade beyond.
        steps = np.linspace(0, 1 + np.log10(high / _LINEAR), _BINS // 2 + 1)
        half = np.where(steps < 1, steps * _LINEAR, _LINEAR * 10 ** (steps - 1))
        return np.concatenate([-half[:0:-1], half])
    if scale == "log":
        positive = [each[each > 0] for each in values]
        low = min(np.quantile(each, tail) for each in positive if len(each))
        return np.geomspace(low, max(high, 1.01 * low), _BINS + 1)
    return np.linspace(low, high if high > low else low + 1, _BINS + 1)


def _draw_identities(axis, panel, curves):
    width = 0.8 / len(curves)
    lowest = 1
    for number, curve in enumerate(curves):
        counts = np.bincount(curve.values(panel), minlength=len(IDENTITIES))
        fractions = counts / max(counts.sum(), 1)
        places = np.arange(len(IDENTITIES)) + (number - (len(curves) - 1) / 2) * width
        axis.bar(places, fractions, width, color=curve.color, alpha=1 if curve.style == "-" else 0.5)
        lowest = min(lowest, fractions[fractions > 0].min(initial=1))
    axis.set_xticks(np.arange(len(IDENTITIES)), IDENTITIES)
    axis.tick_params(axis="x", which="both", top=False, bottom=False)
    axis.minorticks_off()
    axis.set_xlim(-0.6, len(IDENTITIES) - 0.4)
    axis.set_yscale("log")
    axis.set_ylim(lowest / 2, 1)
    axis.set_xlabel(panel.label)
    axis.set_ylabel("fraction of constituents")


def _draw_legend(axis, curves):
    axis.axis("off")
    lines = [
        plt.Line2D([], [], color=curve.color, linestyle=curve.style, label=f"{curve.name} ({len(curve.jets):,} jets)")
        for curve in curves
    ]
    axis.legend(handles=lines, loc="center", frameon=False, ncols=1 if len(lines) <= 12 else 2)
