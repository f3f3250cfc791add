"""The common style of all figures."""

from contextlib import contextmanager

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import mplhep  # noqa: E402

COLORS = plt.cm.tab10.colors

_STYLE = {
    "font.size": 12, "axes.labelsize": 13, "xtick.labelsize": 11, "ytick.labelsize": 11, "legend.fontsize": 12,
    "xaxis.labellocation": "center", "yaxis.labellocation": "center", "lines.linewidth": 1.5,
    "axes.labelpad": 3, "axes.autolimit_mode": "data", "axes.xmargin": 0.04, "axes.ymargin": 0.08,
    "figure.constrained_layout.w_pad": 0.08, "figure.constrained_layout.h_pad": 0.08,
}


@contextmanager
def drawing(path, rows=1, columns=1, size=(6, 4.5), **options):
    """Yields a figure and its axes `[rows, columns]`, with panels of this size in inches, and saves it at the end.

    `options` are passed to `matplotlib.pyplot.subplots`.
    """
    with plt.style.context([mplhep.style.ATLAS, _STYLE]):
        figure, axes = plt.subplots(
            rows, columns, figsize=(columns * size[0], rows * size[1]), constrained_layout=True, squeeze=False,
            **options)
        try:
            yield figure, axes
            figure.savefig(path, dpi=120)
        finally:
            plt.close(figure)
