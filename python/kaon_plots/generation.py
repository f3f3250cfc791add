"""Measures of generated jets: Wasserstein distances of energy flow polynomials, FPD, KPD, coverage and MMD."""

import json
from dataclasses import dataclass

import numpy as np

from . import distances, efps, movers, panels
from .generated import Distance, distance

#: The smallest number of jets, of those generated and of each half of the data, for all measures but distances.
_FEWEST = 50
_NAMES = ("fpd", "kpd", "coverage", "mmd")


@dataclass(frozen=True)
class Measure:
    """A measure of generated jets with its error, and the same of one half of the data against the other."""

    name: str
    value: float
    error: float
    data_to_data: float
    data_to_data_error: float


def measure(generated, data):
    """The mean `Distance` of the energy flow polynomials with four vertices and edges, those of each one, the other
    `Measure`s, NaN if they cannot be computed, and sentences that say why. Arguments are arrays of jets from
    `kaon_data.read`. For events, whose particles are too many for sums over all of their subsets, there are none."""
    if panels.is_of_events(panels.with_angles(data)):
        return None, [], [], [f"no efp, {', '.join(_NAMES)}: these are measures of jets, and the files have events"]
    polynomials = [efps.connected(jets) for jets in (generated, data)]
    numbers = [np.arange(len(jets)) for jets in (generated, data)]
    single = [distance("generated", f"efp_{name}", *((each[name], own) for each, own in zip(polynomials, numbers)))
              for name in efps.FOUR_VERTICES]
    made, real = (efps.features(each) for each in polynomials)
    even = numbers[1] % 2 == 0
    measures = {name: Measure(name, *[float("nan")] * 4) for name in _NAMES}
    jets = [int((~np.isfinite(each).all(axis=1)).sum()) for each in (made, real)]
    if min(len(made), even.sum(), (~even).sum()) < _FEWEST:
        reasons = [f"no {', '.join(measures)}: {len(made)} generated jets and {len(real)} of data are too few, give at "
                   f"least {_FEWEST} and {2 * _FEWEST}"]
    elif any(jets):
        reasons = [f"no {', '.join(measures)}: {jets[0]} generated jets and {jets[1]} of data have features that are "
                   "not finite"]
    else:
        reasons = []
        pairs = (real, made), (real[even], real[~even])
        measures["fpd"], measures["kpd"] = (
            Measure(name, *(each for pair in pairs for each in function(*pair)))
            for name, function in (("fpd", distances.frechet), ("kpd", distances.kernel)))
        if movers.is_installed():
            pairs = (data, generated), (data[even], data[~even])
            found = zip(*(movers.coverage_and_mmd(*pair) for pair in pairs))
            for name, values in zip(("coverage", "mmd"), found):
                measures[name] = Measure(name, *(each for pair in values for each in pair))
        else:
            reasons.append("no coverage, mmd: they need the package POT: pip install './python[plots]'")
    return _mean(single), single, list(measures.values()), reasons


def _mean(found):
    """The mean of distances. Its errors are the means of theirs, as for polynomials that vary together."""
    return Distance(found[0].sample, "efp", *(float(np.mean([getattr(each, name) for each in found])) for name in (
        "distance", "deviation", "data_to_data", "error", "data_to_data_error")))


def report(distances_found, measures, **origin):
    """A report like `metrics.json` of an evaluation, with the measures of data against data as `baselines`."""
    rows = [(f"w1_{each.quantity}", each.distance, each.error, each.data_to_data, each.data_to_data_error)
            for each in distances_found]
    rows += [(each.name, each.value, each.error, each.data_to_data, each.data_to_data_error) for each in measures]
    parts = ("measures", "errors", "baselines", "baseline_errors")
    columns = {part: {row[0]: row[number] for row in rows} for number, part in enumerate(parts, 1)}
    return json.dumps(origin | columns, indent=2) + "\n"
