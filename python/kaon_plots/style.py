"""The common style of all figures: fonts, colours, ticks on all sides, legends outside the panels, and files."""

import math
from contextlib import contextmanager
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import mplhep  # noqa: E402
from matplotlib.ticker import LogLocator, NullFormatter  # noqa: E402

#: Ten colours that readers with any colour vision can distinguish: M. Petroff, arXiv:2107.02270.
COLORS = ("#3f90da", "#ffa90e", "#bd1f01", "#832db6", "#a96b59", "#94a4a2", "#e76300", "#717581", "#92dadd", "#b9ac70")
#: Line styles, which distinguish curves without colours.
LINES = ("-", "--", ":", "-.")
#: Fill of the reference, such as data or original jets, and the band of its statistical error in a ratio.
REFERENCE = "0.82"
#: Lines that guide the eye, such as the expectation of a random classifier.
GUIDE = {"color": "0.45", "linewidth": 1, "linestyle": (0, (6, 2, 1, 2)), "zorder": 0}
#: Fill of the bins of underflow and overflow.
OVERFLOW = "0.92"
#: Opacity of error bands.
BAND = 0.25

_STYLE = {
    "font.size": 12, "axes.labelsize": 13, "xtick.labelsize": 11, "ytick.labelsize": 11, "legend.fontsize": 11,
    "xaxis.labellocation": "center", "yaxis.labellocation": "center", "lines.linewidth": 1.5,
    "axes.labelpad": 3, "axes.autolimit_mode": "data", "axes.xmargin": 0.04, "axes.ymargin": 0.08,
    "axes.prop_cycle": matplotlib.cycler(color=COLORS), "axes.unicode_minus": True,
    "axes.formatter.limits": (-4, 5),
    "xtick.major.size": 6, "xtick.minor.size": 3, "ytick.major.size": 6, "ytick.minor.size": 3,
    "figure.constrained_layout.w_pad": 0.08, "figure.constrained_layout.h_pad": 0.08,
    # The same figure gives the same file.
    "svg.hashsalt": "kaon",
}


@contextmanager
def drawing(paths, rows=1, columns=1, size=(6, 4.5), **options):
    """Yields a figure and its axes `[rows, columns]`, with panels of this size in inches, and saves it at the end.

    `paths` is a file or a list of files; `options` are passed to `matplotlib.pyplot.subplots`.
    """
    with plt.style.context([mplhep.style.ATLAS, _STYLE]):
        figure, axes = plt.subplots(
            rows, columns, figsize=(columns * size[0], rows * size[1]), constrained_layout=True, squeeze=False,
            **options)
        try:
            yield figure, axes
            for axis in figure.axes:
                _label_logarithm(axis.xaxis)
                _label_logarithm(axis.yaxis)
            # All formats have the same layout. The first pass does not know the widths of labels that it moves.
            figure.draw_without_rendering()
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
            for path in [paths] if isinstance(paths, (str, Path)) else paths:
                date = {".pdf": "CreationDate", ".svg": "Date"}.get(Path(path).suffix)
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                figure.savefig(path, dpi=120, metadata={date: None} if date else None)
        finally:
            plt.close(figure)


def _label_logarithm(axis):
    """Labels one, two and five times the powers of ten on a logarithmic axis with less than two powers: the labels of
    matplotlib overlap."""
    if axis.get_scale() != "log":
        return
    low, high = sorted(axis.get_view_interval())
    if not low > 0 or high >= 10 * 10 ** math.ceil(math.log10(low)):
        return
    ticks = LogLocator(subs=(1, 2, 5)).tick_values(low, high)
    if sum(low <= tick <= high for tick in ticks) >= 2:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_minor_formatter(NullFormatter())


@contextmanager
def drawing_ratios(paths, rows, columns, size):
    """Like `drawing`, but yields a figure and a list of pairs of panels, row by row: the lower one, for ratios, shares
    the x axis of the upper one."""
    with drawing(paths, 2 * rows, columns, (size[0], size[1] / 2), height_ratios=[3, 1.2] * rows) as (figure, axes):
        # The space between two rows is that of the labels.
        figure.get_layout_engine().set(h_pad=0.02, hspace=0)
        pairs = [pair for row in range(rows) for pair in zip(axes[2 * row], axes[2 * row + 1])]
        for above, below in pairs:
            below.sharex(above)
            above.tick_params(axis="x", which="both", labelbottom=False)
            below.set_ylabel("ratio")
        yield figure, pairs


def join_panels(axes, row, columns):
    """Replaces panels of a row, from `columns.start` to `columns.stop`, by one."""
    place = axes[row, columns.start].get_subplotspec().get_gridspec()[row, columns]
    figure = axes[row, columns.start].figure
    for axis in axes[row, columns]:
        axis.remove()
    return figure.add_subplot(place)


def legend_outside(figure, handles, labels, title=None):
    """Draws one legend for all panels, where it covers no curves: above them, or at the right if it is long. The panels
    keep their size."""
    labels = list(labels)
    # In inches: width of a letter, and of a line sample with its margins.
    width = 0.088 * max(map(len, labels)) + 0.75
    columns = max(1, min(len(labels), int(figure.get_figwidth() / width)))
    rows = math.ceil(len(labels) / columns)
    options = {"frameon": False, "borderpad": 0.4, "title": title, "title_fontsize": 11}
    if rows > 3:
        # Rows of 0.2 inches; a list that is longer than the figure is high gets further columns.
        fitting = max(1, int((figure.get_figheight() - 0.2 * bool(title) - 0.3) / 0.2))
        columns = math.ceil(len(labels) / fitting)
        figure.set_figwidth(figure.get_figwidth() + max(columns * width, 0.085 * len(title or "")) + 0.2)
        return figure.legend(handles, labels, loc="outside right upper", ncols=columns, **options)
    figure.set_figheight(figure.get_figheight() + 0.25 * (rows + bool(title)) + 0.12)
    return figure.legend(handles, labels, loc="outside upper center", ncols=columns, **options)
