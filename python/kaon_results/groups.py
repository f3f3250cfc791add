"""Runs that differ in their seeds alone, together."""

import math
import os
import statistics
from dataclasses import dataclass
from pathlib import Path

from kaon_data import DataError

from .runs import nearest


def mean_and_deviation(values):
    """The mean and the standard deviation of a sample (n − 1); None for the latter of one value, and for both of
    none. Where a value is not finite, the deviation is not a number."""
    values = [value for value in values if value is not None]
    if not values:
        return None, None
    mean = sum(values) / len(values)
    if len(values) == 1:
        return mean, None
    return mean, statistics.stdev(values) if math.isfinite(mean) else math.nan


@dataclass
class Group:
    """Runs of several seeds."""

    #: The values of the keys that the runs were grouped by.
    values: tuple
    runs: list

    @property
    def seeds(self):
        return len({run.seed for run in self.runs})

    def summary(self, measure):
        """Mean and deviation of a measure over the runs that have it."""
        return mean_and_deviation([run.measure(measure) for run in self.runs])


#: What sweeps are usually about.
_MAIN = ("objective", "backbone", "backbone_mode", "data.jets", "cwola.signal_jets")


def differing_keys(runs):
    """The keys in which runs differ besides their seeds, without those that only follow the keys before them, as the
    shape of the model follows the backbone."""
    keys = list(dict.fromkeys(key for run in runs for key in run.settings))
    keys.sort(key=lambda key: _MAIN.index(key) if key in _MAIN else len(_MAIN))
    found, told_apart = [], [()] * len(runs)
    for key in keys:
        values = [_hashable(run.settings.get(key)) for run in runs]
        further = [(*old, value) for old, value in zip(told_apart, values)]
        adds = len(set(further)) > len(set(told_apart))
        if adds or (key in _MAIN and len(set(values)) > 1):
            found.append(key)
            told_apart = further
    return found


def group(runs, keys):
    """Runs with the same values of some keys, ordered by these values; and warnings where that throws unlike runs
    together."""
    _check_keys(runs, keys)
    names = backbone_names(runs)
    groups = {}
    for run in runs:
        values = tuple(names.get(value := run.value(key), value) if key == "backbone" else run.value(key)
                       for key in keys)
        groups.setdefault(tuple(map(_hashable, values)), Group(values, [])).runs.append(run)
    ordered = sorted(groups.values(), key=lambda each: [_order(value) for value in each.values])
    return ordered, [warning for each in ordered for warning in _warnings(each, keys)]


def backbone_names(runs):
    """Short names of the backbones: their run's folder, with as many folders above as tell them apart."""
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
    """The runs that fulfil conditions such as `backbone_mode=fixed,scratch`: one of the values, where `none` is no
    value, as the backbone from scratch."""
    for condition in conditions or []:
        key, equals, text = condition.partition("=")
        if not equals:
            raise DataError(f"--where {condition} is not of the form key=value")
        _check_keys(runs, [key])
        names = backbone_names(runs) if key == "backbone" else {}
        # A list has commas of its own.
        wanted = {text, *text.split(",")}
        # All words for the value of a run, the one for messages first.
        words = {run: _words(run.value(key), names) for run in runs}
        chosen = [run for run in runs if wanted & set(words[run])]
        if not chosen:
            there = ", ".join(sorted({first for first, *_ in words.values()}))
            raise DataError(f"--where {condition}: no run has that; {key} is {there}")
        runs = chosen
    return runs


def _words(value, names):
    if value is None:
        return ["none"]
    return [names[value], value] if isinstance(value, str) and value in names else [show(value)]


def show(value):
    """A value of a configuration as a word."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ",".join(map(show, value)) + "]"
    return str(value)


def check_measures(runs, measures):
    """Ends with a sentence where no run has a measure."""
    known = list(dict.fromkeys(name for run in runs for name in run.measures))
    for name in measures:
        if name not in known:
            raise DataError(f"no run has the measure {name}; {nearest(name, known)}")


def _check_keys(runs, keys):
    known = list(dict.fromkeys(key for run in runs for key in run.config))
    for key in keys:
        if key not in known:
            raise DataError(f"no run has the key {key}; {nearest(key, known)}")


def _hashable(value):
    return tuple(map(_hashable, value)) if isinstance(value, list) else (type(value).__name__, value)


def _order(value):
    """Numbers before words, nothing first."""
    if value is None:
        return (0, 0, "")
    if isinstance(value, (int, float)):
        return (1, value, "")
    return (2, 0, show(value))


def _warnings(group, keys):
    first, differing = group.runs[0].folder, differing_keys(group.runs)
    for key in differing:
        values = sorted({show(run.settings.get(key)) for run in group.runs})
        yield (f"{first} and others are averaged, though {key} is {', '.join(values)}; "
               f"--by {','.join([*keys, key])} keeps them apart")
    if group.seeds < len(group.runs) and not differing:
        yield f"{first} and others have the same seed and settings; they do not tell a deviation"
