"""Draws histograms of the quantities of `panels`: densities with error bands, overflow bins, and ratios."""

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from .histograms import LINEAR, ratio
from .style import BAND, OVERFLOW, REFERENCE

#: Makes each half of the linear range of matplotlib's symlog axis as long as a decade.
_LINSCALE = 0.9
#: Width of a letter of a tick label in inches.
_LETTER = 0.08
_RATIO_RANGES = (0.1, 0.2, 0.5, 1.0)
_LINEAR_TICKS = {-10: "−10", -0.1: "−0.1", 0: "0", 0.1: "0.1", 10: "10"}


def scale_axes(axis, panel, histograms):
    """Sets scales, ranges and labels of both axes for these histograms, and shades underflow and overflow."""
    binning = histograms[0].binning
    _scale_values(axis, panel, binning)
    densities = np.concatenate([each.density(panel)[0] for each in histograms])
    highest = densities.max(initial=0) or 1
    axis.set_xlabel(panel.label)
    axis.set_ylabel(panel.density_label)
    if panel.logarithmic:
        axis.set_yscale("log")
        lowest = densities[densities > 0].min(initial=highest)
        axis.set_ylim(max(lowest / 2, highest * 1e-7), highest * 3)
        _label_decades(axis.yaxis, *axis.get_ylim())
    else:
        axis.set_ylim(0, highest * 1.15)
    _mark_overflow(axis, binning)


def _scale_values(axis, panel, binning):
    drawn = binning.drawn
    if binning.scale == "log":
        axis.set_xscale("log")
        _label_decades(axis.xaxis, drawn[0], drawn[-1])
    elif binning.scale == "signed":
        axis.set_xscale("symlog", linthresh=LINEAR, linscale=_LINSCALE)
        decades = 10.0 ** np.arange(-1, np.floor(np.log10(drawn[-1])) + 1)
        ticks = [tick for tick in _LINEAR_TICKS if abs(tick) <= drawn[-1]]
        axis.set_xticks(ticks, [_LINEAR_TICKS[tick] for tick in ticks])
        axis.set_xticks([*-decades, *decades], minor=True)
    elif panel.scale == "categories":
        axis.set_xticks(np.arange(len(panel.categories)), panel.categories)
        axis.xaxis.set_minor_locator(NullLocator())
        axis.tick_params(axis="x", length=0)
        turn_categories(axis, panel)
    axis.set_xlim(drawn[0], drawn[-1])


def _label_decades(axis, low, high):
    """Labels the powers of ten of a logarithmic axis, and values between them if these would be too few."""
    axis.set_minor_formatter(NullFormatter())
    if high < 30 * low:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def turn_categories(axis, panel):
    """Draws the names of categories upwards if they would overlap."""
    if panel.scale == "categories":
        width = axis.get_position().width * axis.figure.get_figwidth() / len(panel.categories)
        letters = max(3 if name.startswith("$") else len(name) + 1 for name in panel.categories)
        if letters * _LETTER > width:
            axis.tick_params(axis="x", rotation=90)


def _mark_overflow(axis, binning):
    edges = binning.drawn
    for exists, place in ((binning.underflow, slice(0, 2)), (binning.overflow, slice(-2, None))):
        if exists:
            axis.axvspan(*edges[place], color=OVERFLOW, linewidth=0, zorder=-2)


def draw_reference(axis, found, panel):
    """Draws densities as a filled area, with a darker band of statistical errors."""
    edges = found.binning.drawn
    density, errors = found.density(panel)
    axis.stairs(density, edges, fill=True, color=REFERENCE, linewidth=0, zorder=-1)
    axis.stairs(density + errors, edges, baseline=np.maximum(density - errors, 0), fill=True, color="0.68", linewidth=0,
                zorder=-1)


def draw_steps(axis, found, panel, color, line="-", width=1.5, band=BAND):
    """Draws densities as steps with a band of statistical errors of this opacity; empty bins are gaps on a logarithmic
    axis."""
    edges = found.binning.drawn
    density, errors = found.density(panel)
    seen = np.where(density > 0, density, np.nan) if panel.logarithmic else density
    axis.stairs(density + errors, edges, baseline=np.maximum(density - errors, 0), fill=True, color=color, alpha=band,
                linewidth=0)
    axis.stairs(seen, edges, baseline=None, color=color, linestyle=line, linewidth=width)


def draw_ratios(axis, reference, curves):
    """Draws ratios to a reference over the band of its relative error. `curves` are ratios, their errors, a colour and
    a line style; an arrow at the edge marks a bin outside the axis."""
    edges, middles = reference.binning.drawn, reference.binning.middles
    *_, band = ratio(reference, reference)
    axis.stairs(1 + band, edges, baseline=1 - band, fill=True, color=REFERENCE, linewidth=0, zorder=0)
    axis.axhline(1, color="0.45", linewidth=0.8, zorder=1)
    reach = _reach([values for values, *_ in curves])
    for values, errors, color, line in curves:
        axis.stairs(values, edges, baseline=None, color=color, linestyle=line, linewidth=1.3, zorder=3)
        axis.errorbar(middles, values, errors, fmt="none", color=color, elinewidth=0.9, zorder=3)
        for outside, place, marker in [(values > 1 + reach, 0.9, "^"), (values < 1 - reach, -0.9, "v")]:
            axis.plot(middles[outside], np.full(outside.sum(), 1 + place * reach), marker, color=color, markersize=4,
                      zorder=4)
    axis.set_ylim(1 - reach, 1 + reach)
    axis.set_xlim(edges[0], edges[-1])
    axis.yaxis.set_major_locator(MaxNLocator(4, prune="both"))
    _mark_overflow(axis, reference.binning)


def _reach(ratios):
    """Half the length of the axis: the smallest that shows nine of ten bins."""
    deviations = np.abs(np.concatenate(ratios) - 1)
    deviations = deviations[np.isfinite(deviations)]
    wanted = np.quantile(deviations, 0.9) if len(deviations) else 0
    return next((reach for reach in _RATIO_RANGES if wanted <= 0.9 * reach), _RATIO_RANGES[-1])
