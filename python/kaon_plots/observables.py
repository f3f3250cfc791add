"""pT and mass of jets before and after a VQ-VAE, in the style of figure 1.2 of the MPM thesis."""

from dataclasses import dataclass

import h5py
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from kaon_data import DataError
from kaon_results.predictions import predictions_path

from . import panels
from .distributions import draw_ratios, draw_reference, draw_steps, scale_axes
from .histograms import baseline, bins, histogram, ratio, wasserstein
from .style import COLORS, OVERFLOW, REFERENCE, drawing_ratios, legend_outside

_PANELS = [panels.JET_PT, panels.JET_MASS]
_COLOR = COLORS[2]


@dataclass(frozen=True)
class Change:
    """The change of an observable by a VQ-VAE, in GeV."""

    name: str
    median_before: float
    median_after: float
    #: The Wasserstein distance of the distributions.
    distance: float
    #: That of one half of the jets to the other.
    data_to_data: float


def read(path):
    """The values of every observable, before and after, from a `predictions.h5` or a run."""
    path = predictions_path(path)
    try:
        with h5py.File(path) as file:
            return {panel.name: (file[panel.name][:], file[f"decoded_{panel.name}"][:]) for panel in _PANELS}
    except (OSError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a predictions.h5 of 'kaon evaluate' on a VQ-VAE: {error}") from error


def plot_observables(predictions, path):
    """Draws one panel per observable, with the ratio of after to before below it; returns the changes."""
    values = read(predictions)
    with drawing_ratios(path, 1, len(values), size=(4.8, 4.6)) as (figure, axes):
        for pair, panel in zip(axes, _PANELS):
            _draw(pair, panel, *values[panel.name])
        handles = [Patch(color=REFERENCE), Line2D([], [], color=_COLOR), Patch(color=OVERFLOW)]
        legend_outside(figure, handles, ["original", "after the VQ-VAE", "underflow, overflow"])
    return [_change(panel.name, *values[panel.name]) for panel in _PANELS]


def _change(name, before, after):
    jets = np.arange(len(before))
    return Change(name, np.median(before), np.median(after), wasserstein(after, before), baseline((before, jets)))


def _draw(axes, panel, before, after):
    above, below = axes
    jets = np.arange(len(before))
    binning = bins([(before, jets)], panel, count=40).with_overflow([(before, jets), (after, jets)])
    first, second = (histogram((values, jets), binning) for values in (before, after))
    scale_axes(above, panel, [first, second])
    draw_reference(above, first, panel)
    draw_steps(above, second, panel, _COLOR)
    draw_ratios(below, first, [(ratio(second, first)[0], ratio_errors(before, after, binning), _COLOR, "-")])
    above.set_xlabel("")
    below.set_xlabel(panel.label)


def ratio_errors(before, after, binning):
    """The errors of the ratios after/before of counts of the same jets.

    With n before, m after and k jets that are in the bin before and after, (m − k) and (n − k) are independent, and
    the variance of m/n is r² (1/m + 1/n − 2 k/(m n)), r = m/n: zero if no jet changes its bin.
    """
    places = [binning.places(values) for values in (before, after)]
    size = len(binning.drawn) - 1
    n, m, k = (np.bincount(each[each >= 0], minlength=size).astype(float)
               for each in (*places, np.where(places[0] == places[1], places[0], -1)))
    n[n == 0] = np.nan
    return np.sqrt(m + m**2 / n - 2 * k * m / n) / n
