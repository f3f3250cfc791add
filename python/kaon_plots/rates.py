"""Loss against learning rate, from the CSV files of `kaon tune-rate`."""

import csv
import math
from dataclasses import dataclass

import numpy as np

from kaon_data import DataError

from .style import COLORS, drawing, legend_outside

_COLUMNS = ("learning_rate", "loss", "smoothed_loss", "suggested")


@dataclass
class RateTest:
    """A learning-rate range test: one value for each step."""

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    #: The step whose rate is suggested, or None.
    suggestion: int | None


def read_rates(path):
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV file of 'kaon tune-rate'") from error
    if not rows or not set(_COLUMNS) <= set(rows[0]):
        raise DataError(f"{path} is not a CSV file of 'kaon tune-rate'")
    try:
        rates, losses, smoothed, suggested = (np.array([float(row[name]) for row in rows]) for name in _COLUMNS)
    except (TypeError, ValueError) as error:
        raise DataError(f"{path} is damaged: {error}") from error
    if not np.isfinite(smoothed).any():
        raise DataError(f"{path}: no loss is finite")
    places = np.flatnonzero(suggested == 1)
    return RateTest(rates, losses, smoothed, int(places[0]) if len(places) else None)


def plot_rates(tests, names, path):
    """Draws the loss (thin) and the smoothed loss of each test against the learning rate, with the suggested rates."""
    with drawing(path) as (figure, axes):
        axis = axes[0, 0]
        for number, (test, name) in enumerate(zip(tests, names)):
            color = COLORS[number % 10]
            label = "" if len(tests) == 1 else f"{name}: "
            axis.plot(test.rates, test.losses, color=color, linewidth=0.8, alpha=0.4, label=f"{label}loss")
            axis.plot(test.rates, test.smoothed, color=color, label=f"{label}smoothed loss")
            if test.suggestion is not None:
                rate = test.rates[test.suggestion]
                axis.plot([rate], [test.smoothed[test.suggestion]], "o", color=color,
                          label=f"{label}suggestion {rate:.2g}")
        axis.set_xscale("log")
        # What follows a divergence would hide the rest.
        low = min(np.nanmin(np.where(np.isfinite(values), values, np.nan))
                  for test in tests for values in (test.smoothed, test.losses) if np.isfinite(values).any())
        high = max(test.smoothed[np.isfinite(test.smoothed)][0] for test in tests)
        drawn = [value for test in tests for value in test.losses[np.isfinite(test.losses)]]
        margin = 0.15 * (high - low) or 0.1 * max(1, abs(high))
        if max(drawn) > high + 3 * margin and math.isfinite(margin):
            axis.set_ylim(low - margin, high + 3 * margin)
        axis.set_xlabel("learning rate")
        axis.set_ylabel("loss")
        legend_outside(figure, *axis.get_legend_handles_labels())
