"""Groups of runs that differ only in the seed."""

import math
import os
import statistics
from dataclasses import dataclass
from pathlib import Path

from kaon_data import DataError

from .runs import DOWNSTREAM, nearest


def mean_and_deviation(values):
    """Mean and sample standard deviation (n − 1). The deviation of a single value is None; without values both are.
    If a value is not finite, the deviation is NaN."""
    values = [value for value in values if value is not None]
    if not values:
        return None, None
    mean = sum(values) / len(values)
    if len(values) == 1:
        return mean, None
    return mean, statistics.stdev(values) if math.isfinite(mean) else math.nan


@dataclass
class Group:
    """Runs with different seeds."""

    #: The values of the keys by which the runs are grouped.
    values: tuple
    runs: list

    @property
    def seeds(self):
        return len({run.seed for run in self.runs})

    def summary(self, measure):
        """Mean and deviation of a measure over the runs that have it."""
        return mean_and_deviation([run.measure(measure) for run in self.runs])


#: The usual keys of sweeps.
_MAIN = ("objective", "backbone", "backbone_mode", "data.jets", "cwola.signal_jets")


def differing_keys(runs):
    """The keys other than the seed in which runs differ, without those determined by earlier keys, as the shape of the
    model is determined by the backbone. Pre-trainings have no such key: all keys in which they differ are returned."""
    keys = list(dict.fromkeys(key for run in runs for key in run.settings))
    keys.sort(key=lambda key: _MAIN.index(key) if key in _MAIN else len(_MAIN))
    is_pretraining = not any(run.objective in DOWNSTREAM for run in runs)
    found, told_apart = [], [()] * len(runs)
    for key in keys:
        values = [_hashable(run.settings.get(key)) for run in runs]
        further = [(*old, value) for old, value in zip(told_apart, values)]
        adds = len(set(further)) > len(set(told_apart))
        if adds or ((is_pretraining or key in _MAIN) and len(set(values)) > 1):
            found.append(key)
            told_apart = further
    return found


def group(runs, keys):
    """Returns groups of runs with equal values of these keys, sorted by the values, and warnings if a group contains
    runs with different settings."""
    check_keys(runs, keys)
    names = backbone_names(runs)
    groups = {}
    for run in runs:
        values = tuple(names.get(value := run.value(key), value) if key == "backbone" else run.value(key)
                       for key in keys)
        groups.setdefault(tuple(map(_hashable, values)), Group(values, [])).runs.append(run)
    ordered = sorted(groups.values(), key=lambda each: [_order(value) for value in each.values])
    return ordered, [warning for each in ordered for warning in _warnings(each, keys)]


def backbone_names(runs):
    """Short names of the backbones: the run folder, with as many parent folders as needed to make it unique."""
    paths = {path for run in runs if (path := run.settings.get("backbone"))}
    names = {}
    for path in paths:
        parts = list(Path(path).parts)
        if len(parts) > 2 and parts[-2] == "checkpoints" and not any(
            other != path and Path(other).parent == Path(path).parent for other in paths
        ):
            parts = parts[:-2]
        names[path] = parts
    for count in range(1, max(map(len, names.values()), default=0) + 1):
        short = {path: os.path.join(*parts[-count:]) for path, parts in names.items()}
        if len(set(short.values())) == len(short):
            return short
    return {path: path for path in paths}


def select(runs, conditions):
    """The runs that satisfy conditions such as `backbone_mode=fixed,scratch`: one of the values; `none` means no value,
    as for the backbone in the mode scratch."""
    for condition in conditions or []:
        key, equals, text = condition.partition("=")
        if not equals:
            raise DataError(f"--where {condition} does not have the form key=value")
        check_keys(runs, [key])
        names = backbone_names(runs) if key == "backbone" else {}
        # The value itself may be a list with commas.
        wanted = {text, *text.split(",")}
        # All names of the value of a run; the first is used in messages.
        words = {run: _words(run.value(key), names) for run in runs}
        chosen = [run for run in runs if wanted & set(words[run])]
        if not chosen:
            there = ", ".join(sorted({first for first, *_ in words.values()}))
            raise DataError(f"--where {condition}: no run matches; values of {key}: {there}")
        runs = chosen
    return runs


def _words(value, names):
    if value is None:
        return ["none"]
    return [names[value], value] if isinstance(value, str) and value in names else [show(value)]


def show(value):
    """Formats a configuration value."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ",".join(map(show, value)) + "]"
    return str(value)


def check_measures(runs, measures):
    """Raises `DataError` if no run has one of the measures."""
    known = list(dict.fromkeys(name for run in runs for name in run.measures))
    for name in measures:
        if name not in known:
            raise DataError(f"no run has the measure {name}; {nearest(name, known)}")


def check_keys(runs, keys):
    """Raises `DataError` if no run has one of the keys."""
    known = list(dict.fromkeys(key for run in runs for key in run.config))
    for key in keys:
        if key not in known and key.startswith("backbone.") and not any(name.startswith("backbone.") for name in known):
            raise DataError(f"no run has the key {key}: no config.yaml contains a backbone_configuration, which kaon "
                            "writes for runs with a backbone since it has that section")
        if key not in known:
            raise DataError(f"no run has the key {key}; {nearest(key, known)}")


def _hashable(value):
    return tuple(map(_hashable, value)) if isinstance(value, list) else (type(value).__name__, value)


def _order(value):
    """Sort key: None, then numbers, then words."""
    if value is None:
        return (0, 0, "")
    if isinstance(value, (int, float)):
        return (1, value, "")
    return (2, 0, show(value))


def test_set_warnings(runs):
    """A warning if runs were evaluated on different test sets."""
    examples = {}
    for run in runs:
        if run.test_set is not None:
            examples.setdefault(run.test_set, run)
    if len(examples) > 1:
        sets = "; ".join(
            f"{run.folder} on {', '.join(files) or 'unnamed files'} ({jets} jets)"
            for (files, jets), run in examples.items())
        yield f"runs were evaluated on different test sets and cannot be compared: {sets}"


def _warnings(group, keys):
    first, differing = group.runs[0].folder, differing_keys(group.runs)
    for key in differing:
        values = sorted({show(run.settings.get(key)) for run in group.runs})
        yield (f"{first} and others are averaged although {key} is {', '.join(values)}; "
               f"--by {','.join([*keys, key])} separates them")
    if group.seeds < len(group.runs) and not differing:
        yield f"{first} and others have the same seed and settings; their standard deviation is meaningless"
