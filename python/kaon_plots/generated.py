"""Comparison of generated or reconstructed jets with data: distributions, ratios and distances."""

from dataclasses import dataclass

import awkward as ak
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from kaon_data import DataError
from kaon_data.formats import FEATURES

from . import panels
from .distributions import draw_ratios, draw_reference, draw_steps, scale_axes, turn_categories
from .histograms import baseline, baseline_error, bins, histogram, ratio, wasserstein, wasserstein_error
from .panels import quantity
from .style import COLORS, LINES, OVERFLOW, REFERENCE, drawing_ratios, legend_outside

_PANELS = [
    panels.PT, panels.DETA, panels.DPHI, panels.ETA, panels.PHI, panels.COUNT, panels.JET_PT, panels.JET_MASS,
    panels.D0, panels.DZ, panels.D0ERR, panels.DZERR,
]
_COLORS = [COLORS[index] for index in (2, 0, 1, 3, 6, 4, 8, 9)]


@dataclass(frozen=True)
class Distance:
    """Wasserstein distance of the distributions of a quantity, in its unit."""

    #: What is compared with the data.
    sample: str
    quantity: str
    distance: float
    #: The standard deviation of the data.
    deviation: float
    #: The distance of one half of the data to the other.
    data_to_data: float
    #: Bootstrap errors of both distances.
    error: float
    data_to_data_error: float


def plot_generated(generated, data, path):
    """Draws two arrays of jets from `kaon_data.read`; returns the distances of all drawn quantities."""
    for jets, what in ((generated, "generated jets"), (data, "data")):
        if not len(ak.flatten(jets.constituents.pt)):
            raise DataError(f"the {what} have no constituents: give other files")
    generated, data = map(panels.with_angles, (generated, data))
    if panels.is_of_events(generated) != panels.is_of_events(data):
        raise DataError("one of the files has events, the other jets: give files of the same kind")
    shown = [panels.of((data, generated), each, calculated=True)
             for each in (*_PANELS, *panels.further((data,)), panels.IDENTITY)]
    samples = {name: {panel: quantity(jets, panel, calculated=True) for panel in shown}
               for name, jets in (("data", data), ("generated", generated))}
    return plot_comparison(samples, path)


def plot_pooled(jets, path):
    """Draws the dropped constituents of all jets of `reconstruction.read`, and pT and mass of the whole jets, with
    their reconstruction by every method; returns the distances."""
    if not sum(map(len, jets.dropped)):
        raise DataError("no constituents were dropped: give files with more jets, or a larger --fraction")
    samples = {"original": _pooled(jets, jets.dropped, jets.original)}
    for name, recovered in jets.recovered.items():
        samples[name] = _pooled(jets, recovered, jets.whole[name])
    return plot_comparison(samples, path, is_paired=True)


def _pooled(jets, dropped, whole):
    dropped, whole = _array(jets, dropped), _array(jets, whole)
    found = {}
    for panel in (*_PANELS, panels.IDENTITY):
        if panel is not panels.COUNT:
            source = whole if panel.kind == "jet" else dropped
            panel = panels.of((dropped,), panel, calculated=True)
            found[panel] = quantity(source, panel, calculated=True)
    return found


def _array(jets, part):
    """Jets like those of `panels.with_angles`, without identities if the files have none."""
    rows = np.concatenate(part)
    angles = {"deta": "eta", "dphi": "phi"} if jets.are_events else {}
    columns = {angles.get(name, name): rows[:, index] for index, name in enumerate(FEATURES)}
    if np.isfinite(rows[:, 7]).all():
        columns["id"] = rows[:, 7].astype(np.uint8)
    array = ak.Array({"constituents": ak.unflatten(ak.zip(columns), [len(each) for each in part])})
    array.attrs["identities"] = jets.kinds
    return array


def plot_comparison(samples, path, is_paired=False):
    """Draws named samples, each a dictionary from panel to values, with their ratios to the first; returns the
    distances of the others to the first. Quantities that not all samples have are left out; `is_paired` if all samples
    are of the same jets."""
    (title, reference), *others = samples.items()
    shown = [panel for panel in reference
             if all(each.get(panel) is not None and len(each[panel][0]) for each in samples.values())]
    distances = []
    columns = 4 if len(shown) > 6 else 3
    styles = {name: (_COLORS[i % 8], LINES[i % 4]) for i, (name, _) in enumerate(others)}
    with drawing_ratios(path, -(-len(shown) // columns), columns, size=(3.75, 4.4)) as (figure, axes):
        for panel, pair in zip(shown, axes):
            _draw(pair, panel, reference[panel], {name: each[panel] for name, each in others}, styles)
            # Categories have no distances.
            if panel.scale != "categories":
                distances += [distance(name, panel.name, each[panel], reference[panel], is_paired)
                              for name, each in others]
        for above, below in axes[len(shown):]:
            above.axis("off")
            below.axis("off")
        lines = [Line2D([], [], color=color, linestyle=line) for color, line in styles.values()]
        legend_outside(figure, [Patch(color=REFERENCE), *lines, Patch(color=OVERFLOW)],
                       [title, *styles, "underflow, overflow"])
    return sorted(distances, key=lambda each: list(styles).index(each.sample))


def _draw(axes, panel, reference, others, styles):
    binning = bins([reference], panel).with_overflow([reference, *others.values()])
    base = histogram(reference, binning)
    found = {name: histogram(sample, binning) for name, sample in others.items()}
    above, below = axes
    scale_axes(above, panel, [base, *found.values()])
    draw_reference(above, base, panel)
    for name, each in found.items():
        draw_steps(above, each, panel, *styles[name])
    draw_ratios(below, base, [(*ratio(each, base)[:2], *styles[name]) for name, each in found.items()])
    above.set_xlabel("")
    below.set_xlabel(panel.label)
    turn_categories(below, panel)


def distance(name, quantity_name, sample, reference, is_paired=False):
    """The `Distance` of a sample to the reference, each values and the numbers of their jets."""
    return Distance(name, quantity_name, wasserstein(sample[0], reference[0]), float(np.std(reference[0])),
                    baseline(reference), wasserstein_error(sample, reference, is_paired), baseline_error(reference))
