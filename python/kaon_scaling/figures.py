"""Figures of `kaon bench --scaling --json` on one node."""

import json
import math
from bisect import bisect_left
from dataclasses import dataclass, replace
from statistics import NormalDist

from kaon_data import DataError

_POSITIVE = ["jets_per_second", "update_ms", "last_backward_ms", "jets_per_step", "micro_batch_size", "parameters",
             "threads", "ranks", "groups"]

#: Standard deviation of the number of constituents of a jet over its mean: JetClass, and the jets of `kaon bench`.
SPREAD = 0.40


@dataclass(frozen=True)
class Point:
    """Times of a step with `jets` jets per rank [s]."""

    jets: float
    #: Everything but the update: forward and backward passes, and the sums in the node that they do not hide.
    passes: float
    #: The last backward pass, during which gradients are sent.
    backward: float
    #: Gradient norm, clipping and optimizer, for the elements that a rank of this node owns.
    update: float


@dataclass(frozen=True)
class NodeFigures:
    """Measured steps of one node: `ranks` ranks of `threads` threads."""

    name: str
    ranks: int
    threads: int
    parameters: int
    micro_batch: int
    precision: str
    #: In order of their number of jets.
    points: tuple[Point, ...]
    #: Time of a sum of the gradients in the node that does not overlap [s]; 0 on one rank.
    sum_in_node: float

    def passes(self, jets):
        """Time of the passes of a rank [s], between the measured points and beyond them by straight lines."""
        return _between(self.points, "passes", jets)

    def backward(self, jets, size=1.0):
        """Time of the last backward pass [s], that of the last micro-batch, for jets of `size` times the mean."""
        last = jets if jets <= self.micro_batch else (jets - 1) % self.micro_batch + 1
        # Larger steps were measured with a last micro-batch of other jets.
        single = [point for point in self.points if point.jets <= self.micro_batch] or self.points[:1]
        return _between(single, "backward", last * size)

    def update(self):
        """Time of the update of a rank [s]: the median, since it does not depend on the jets."""
        times = sorted(point.update for point in self.points)
        return times[len(times) // 2]


def largest(ranks):
    """Expected maximum of as many standard normal numbers (Blom's approximation)."""
    return 0.0 if ranks == 1 else NormalDist().inv_cdf((ranks - 0.375) / (ranks + 0.25))


def jets_of_slowest(jets, ranks, measured_ranks):
    """Jets of a rank in the measured job whose passes take as long as those of the slowest rank of the job.

    The ranks have the same number of constituents, unless a single jet has more: the largest of J jets has 1 + m σ
    times the mean, with the expected maximum m of J normal numbers.
    """
    def most(ranks):
        return max(jets, 1 + largest(round(jets * ranks)) * SPREAD)
    return jets * most(ranks) / most(measured_ranks) if ranks > measured_ranks else jets


def read_figures(paths):
    """The figures in a file of `kaon bench --scaling --json`, or the shortest times of several measurements of the same
    job, since other programs can only lengthen them.

    Raises DataError.
    """
    all_figures = [_read(path) for path in paths]
    first = all_figures[0]
    for other, path in zip(all_figures[1:], paths[1:]):
        for name in ("ranks", "threads", "parameters", "micro_batch", "precision"):
            if getattr(other, name) != getattr(first, name):
                raise DataError(f"{path} and {paths[0]} differ in {name}: give measurements of the same job")
        if [point.jets for point in other.points] != [point.jets for point in first.points]:
            raise DataError(f"{path} and {paths[0]} have other numbers of jets per rank")
    points = tuple(
        Point(each[0].jets, *(min(getattr(point, name) for point in each)
                              for name in ("passes", "backward", "update")))
        for each in zip(*(figures.points for figures in all_figures)))
    return replace(first, points=points, sum_in_node=min(figures.sum_in_node for figures in all_figures))


def read_reports(path):
    """The reports in a file of `kaon bench --json`, with or without `--scaling`. Raises DataError."""
    try:
        with open(path, encoding="utf-8") as file:
            reports = json.load(file)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a JSON file of 'kaon bench --scaling --json FILE': {error}") from error
    reports = reports if isinstance(reports, list) else [reports]
    if not reports or not all(isinstance(report, dict) for report in reports):
        raise DataError(f"{path} is not a JSON file of 'kaon bench --scaling --json FILE'")
    for report in reports:
        for name in _POSITIVE:
            value = report.get(name)
            if value is None:
                raise DataError(f"{path} has no {name}: measure with the current 'kaon bench --scaling --json FILE'")
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
                raise DataError(f"{path}: {name} is {value!r}, expected a positive number")
    return reports


def step_time(report):
    """The time of a step of a report [s]."""
    return report["jets_per_step"] / report["jets_per_second"]


def _between(points, name, jets):
    """A time of points in order of their jets [s], between them and beyond them by straight lines."""
    jets = max(jets, points[0].jets)
    if len(points) == 1:
        return getattr(points[0], name) * jets / points[0].jets
    upper = min(max(bisect_left([point.jets for point in points], jets), 1), len(points) - 1)
    a, b = points[upper - 1], points[upper]
    share = (jets - a.jets) / (b.jets - a.jets)
    return getattr(a, name) + share * (getattr(b, name) - getattr(a, name))


def _read(path):
    reports = sorted(read_reports(path), key=lambda report: report["jets_per_step"])
    first = reports[0]
    for name in ("ranks", "threads", "parameters", "groups"):
        if any(report[name] != first[name] for report in reports):
            raise DataError(f"{path} contains measurements with different {name}: give one job in each file")
    # With micro_batch_size: auto, a rank with fewer jets has one micro-batch of all of them.
    micro_batch = max(report["micro_batch_size"] for report in reports)
    if any(report["micro_batch_size"] < min(micro_batch, report["jets_per_step"] / first["ranks"])
           for report in reports):
        raise DataError(f"{path} contains measurements with different micro_batch_size: give one job in each file")
    if first["groups"] != 1:
        raise DataError(f"{path} was measured with {first['groups']} groups of ranks: measure one node, with one group")
    points = []
    for report in reports:
        passes = step_time(report) - report["update_ms"] / 1000
        if passes <= 0:
            raise DataError(f"{path}: update_ms is longer than the step of {report['jets_per_step']} jets")
        points.append(Point(report["jets_per_step"] / first["ranks"], passes, report["last_backward_ms"] / 1000,
                            report["update_ms"] / 1000))
    if len({point.jets for point in points}) < len(points):
        raise DataError(f"{path} contains the same number of jets per step twice")
    sums = sorted(report.get("communication_ms") or 0 for report in reports)
    return NodeFigures(
        name=str(path), ranks=first["ranks"], threads=first["threads"], parameters=first["parameters"],
        micro_batch=micro_batch, precision=str(first.get("precision", "")), points=tuple(points),
        sum_in_node=sums[len(sums) // 2] / 1000)
