"""pT and mass of jets before and after a VQ-VAE, in the style of figure 1.2 of the MPM thesis."""

import h5py
import numpy as np

from kaon_data import DataError
from kaon_results.predictions import predictions_path

from .style import drawing

_OBSERVABLES = {"jet_pt": r"jet $p_\mathrm{T}$ [GeV]", "jet_mass": "jet mass [GeV]"}
_BINS = 40


def read(path):
    """The values of every observable, before and after, from a `predictions.h5` or a run."""
    path = predictions_path(path)
    try:
        with h5py.File(path) as file:
            return {name: (file[name][:], file[f"decoded_{name}"][:]) for name in _OBSERVABLES}
    except (OSError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a predictions.h5 of 'kaon evaluate' on a VQ-VAE: {error}") from error


def plot_observables(predictions, path):
    """Draws one panel per observable, with the ratio of after to before below it.

    Returns the name and both medians of every observable.
    """
    values = read(predictions)
    with drawing(path, 2, len(values), size=(4.8, 2.5), height_ratios=[3, 1], sharex="col") as (_, axes):
        for (above, below), (name, (before, after)) in zip(axes.T, values.items()):
            _draw(above, below, before, after)
            below.set_xlabel(_OBSERVABLES[name])
        axes[0, 0].set_ylabel("fraction of jets")
        axes[1, 0].set_ylabel("ratio")
        axes[0, -1].legend(frameon=False)
    return [(name, np.median(before), np.median(after)) for name, (before, after) in values.items()]


def _draw(above, below, before, after):
    low, high = np.quantile(np.concatenate([before, after]), [0.002, 0.998])
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    (first, _), (second, _) = (np.histogram(values, edges) for values in (before, after))
    above.stairs(first / len(before), edges, fill=True, color="0.8", label="original")
    above.stairs(second / len(after), edges, color="tab:red", linewidth=1.5, label="after the VQ-VAE")
    above.set_ylim(0, 1.15 * max(first.max() / len(before), second.max() / len(after)))
    # The relative uncertainty of a bin of n jets is 1/√n.
    filled = np.where(first > 0, first, np.nan)
    ratio = second / filled * len(before) / len(after)
    below.stairs(ratio, edges, baseline=None, color="tab:red", linewidth=1.5)
    band = 1 / np.sqrt(filled)
    below.stairs(1 + band, edges, baseline=1 - band, fill=True, color="0.85")
    below.axhline(1, color="0.5", linewidth=0.8)
    below.set_ylim(0.5, 1.5)
    below.set_xlim(edges[0], edges[-1])
