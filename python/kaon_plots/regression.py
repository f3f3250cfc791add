"""Response and resolution of a regression against pT."""

import h5py
import numpy as np

from kaon_data import DataError
from kaon_results.predictions import predictions_path

from .style import COLORS, GUIDE, drawing, legend_outside

_COLUMNS = ("predicted", "target", "pt")
#: The central interval with the probability of one standard deviation of a normal distribution.
_PROBABILITIES = [0.158655, 0.5, 0.841345]
#: Errors of the median and of half of the central interval of n normally distributed numbers, in units of σ / √n:
#: √(π/2), and √((p(1 − p) − p²) / 2) / φ(1) with p = Φ(−1).
_MEDIAN_ERROR, _WIDTH_ERROR = 1.2533, 0.9617


def read(path):
    """The columns `predicted`, `target` and `pt` of a `predictions.h5` or a run, as arrays by name."""
    path = predictions_path(path)
    try:
        with h5py.File(path) as file:
            columns = {name: file[name][:].astype(float) for name in _COLUMNS}
    except (OSError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a predictions.h5 of a regression: {error}") from error
    if len({len(values) for values in columns.values()}) > 1 or not len(columns["pt"]):
        raise DataError(f"{path} is not a predictions.h5 of a regression: it has no rows, or a different number each")
    return columns


def profile(columns, intervals=10):
    """Response predicted / target in intervals of pT with equal numbers of jets.

    Returns the edges of the intervals, and for each the median, half of the central 68 % interval, and the statistical
    errors of both, those of normally distributed numbers. Jets without a positive target are left out.
    """
    right = columns["target"] > 0
    pt, response = columns["pt"][right], columns["predicted"][right] / columns["target"][right]
    if not len(pt):
        raise DataError("no jet has a positive target, so that there is no response")
    order = np.argsort(pt, kind="stable")
    parts = [part for part in np.array_split(order, intervals) if len(part)]
    edges = np.append([pt[part[0]] for part in parts], pt[order[-1]])
    low, median, high = np.array([np.quantile(response[part], _PROBABILITIES) for part in parts]).T
    width = (high - low) / 2
    error = width / np.sqrt([len(part) for part in parts])
    return edges, median, width, _MEDIAN_ERROR * error, _WIDTH_ERROR * error


def plot_regression(predictions, path):
    """Draws response and resolution against the pT of the jets for named predictions, from `read`; returns name, median
    and resolution of the response over all jets."""
    found = []
    with drawing(path, 2, 1, size=(6, 3.2), sharex=True) as (figure, axes):
        response, resolution = axes[:, 0]
        bars = []
        for color, marker, (name, columns) in zip(COLORS * 10, "os^vDPX<>p" * 10, predictions.items()):
            edges, median, width, error, width_error = profile(columns)
            centers, halves = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
            bars.append(response.errorbar(centers, median, error, halves, fmt=marker, markersize=4, color=color))
            resolution.errorbar(centers, width, width_error, halves, fmt=marker, markersize=4, color=color)
            _, (whole,), (spread,), *_ = profile(columns, 1)
            found.append((name, whole, spread))
        response.axhline(1, **GUIDE)
        response.set_ylabel("median of predicted / true")
        resolution.set_ylabel("half of the 68 % interval\nof predicted / true")
        resolution.set_ylim(0, None)
        resolution.set_xlabel(r"$p_\mathrm{T}$ of the constituents [GeV]")
        if len(predictions) > 1:
            legend_outside(figure, bars, predictions)
    return found
