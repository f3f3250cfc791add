"""The results of the finished runs of a book."""

import math
from functools import cached_property

from kaon_results.groups import mean_and_deviation
from kaon_results.runs import Run, read_metrics, read_run
from kaon_results.table import number

from .rows import BACKBONES

TITLES = {**BACKBONES, **{f"{name}{suffix}": "MPMv1" for name in ("mpmv1-vqvae-head", "mpmv1-longer")
                          for suffix in ("", "-higgs")}}


class Results:
    def __init__(self, book):
        self.book = book

    @cached_property
    def finished(self):
        return {run.name for run in self.book.runs.values() if run.is_finished(self.book.folder)}

    @cached_property
    def _measures(self):
        found = {}
        for name in self.finished:
            path = self.book.folder / name / "evaluation" / "metrics.json"
            if path.exists():
                found[name] = read_metrics(path)["measures"]
        return found

    def count(self, row):
        """The numbers of finished runs and of all runs of a row."""
        runs = self.book.of_row(row)
        return sum(run.name in self.finished for run in runs), len(runs)

    def values(self, what, measure="accuracy"):
        """The finite values of a measure over the seeds of downstream runs, such as those of
        classification/mpmv2-flow/fixed/jets-100."""
        start = f"downstream/{what}/seed-"
        found = [(name, measures.get(measure)) for name, measures in self._measures.items() if name.startswith(start)]
        return [float(value) for _, value in sorted(found) if value is not None and math.isfinite(float(value))]

    def measures(self, name):
        """All measures of a run; empty if it is not finished."""
        return self._measures.get(name, {})

    def cell(self, what, measure="accuracy", percent=False):
        """Mean ± standard deviation for a table, with the number of seeds if it is not complete."""
        values = self.values(what, measure)
        if not values:
            return "–"
        factor = 100 if percent else 1
        mean, deviation = mean_and_deviation([factor * value for value in values])
        wanted = sum(name.startswith(f"downstream/{what}/seed-") for name in self.book.runs)
        return number(mean, deviation) + ("" if len(values) == wanted else f" ({len(values)} of {wanted} seeds)")

    def plotted(self, row):
        """The finished downstream runs of a row as kaon_plots takes them, with the backbones named as in the thesis."""
        found = []
        for run in self.book.of_row(row):
            if run.stage == "downstream" and run.name in self._measures:
                read = read_run(run.result(self.book.folder))
                title = run.name.split("/")[2]
                found.append(Run(read.folder, {**read.config, "backbone": TITLES.get(title, title)}))
        return found
