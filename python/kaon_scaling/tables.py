"""Tables of predictions: strong and weak scaling, and ranks × threads of a node."""

import math
from dataclasses import dataclass, replace

from .prediction import Job, StepTime, predict

SECONDS_OF_A_DAY = 86400


@dataclass(frozen=True)
class Row:
    """A predicted job."""

    job: Job
    threads: int
    step: StepTime
    #: Jets per second over those of the smallest job of the table, divided by the ratio of their nodes.
    efficiency: float

    @property
    def jets_per_second(self):
        return self.job.batch / self.step.total

    def days(self, steps):
        return steps * self.step.total / SECONDS_OF_A_DAY

    def as_dict(self, steps):
        """The row under the names of the JSON file; times in milliseconds."""
        return {
            "nodes": self.job.nodes, "ranks_per_node": self.job.ranks, "threads": self.threads,
            "ranks": self.job.nodes * self.job.ranks, "batch_size": self.job.batch,
            "jets_per_rank": self.job.batch / (self.job.nodes * self.job.ranks),
            "step_ms": 1000 * self.step.total, "passes_ms": 1000 * self.step.passes,
            "exchange_ms": 1000 * self.step.exchange, "weights_ms": 1000 * self.step.weights,
            "update_ms": 1000 * self.step.update, "small_sums_ms": 1000 * self.step.small,
            "jets_per_second": self.jets_per_second, "efficiency": self.efficiency, "days": self.days(steps),
        }


def strong_scaling(figures, job, network, nodes, layout):
    """Rows of a fixed global batch on each number of nodes."""
    return _rows(figures, [replace(job, nodes=count) for count in nodes], network, layout)


def weak_scaling(figures, job, network, nodes, layout, jets):
    """Rows of `jets` jets per rank on each number of nodes."""
    return _rows(figures, [replace(job, nodes=count, batch=jets * count * job.ranks) for count in nodes], network,
                 layout)


@dataclass(frozen=True)
class Layout:
    """Threads of a rank, and the speed of its passes over that of the measurement."""

    threads: int
    speed: float = 1.0


def _rows(figures, jobs, network, layout):
    rows = []
    for job in jobs:
        step = predict(figures, job, network, layout.speed)
        rate = job.batch / step.total / job.nodes
        if not rows:
            first = rate
        rows.append(Row(job, layout.threads, step, rate / first))
    return rows


def thread_speed(threads, serial):
    """Amdahl's law: the speed of `threads` threads over that of one, with a share that does not use them."""
    return 1 / (serial + (1 - serial) / threads)


def layouts(figures, cores, serial):
    """Ways to use the cores of a node: [(ranks, Layout)] for 1, 2, 4, … threads, as many as divide the cores."""
    found = []
    threads = 1
    while threads <= min(cores, 64):
        if cores % threads == 0:
            speed = thread_speed(threads, serial) / thread_speed(figures.threads, serial)
            found.append((cores // threads, Layout(threads, speed)))
        threads *= 2
    return found


def advice(figures, job, network, nodes, cores, serial):
    """For each number of nodes the rows of all layouts of a node of `cores` cores, the fastest first."""
    result = {}
    for count in nodes:
        rows = [_rows(figures, [replace(job, nodes=count, ranks=ranks)], network, layout)[0]
                for ranks, layout in layouts(figures, cores, serial)]
        result[count] = sorted(rows, key=lambda row: row.step.total)
    return result


def serial_share(one, other):
    """The share of the passes that does not use threads, from measurements of ranks with different threads.

    From the speed s of t threads over one: 1/s = f + (1 − f)/t, the median over the numbers of jets.
    """
    if one.threads > other.threads:
        one, other = other, one
    shares = []
    for point in one.points:
        ratio = other.passes(point.jets) / point.passes
        # Solves (f + (1 − f)/t₂) / (f + (1 − f)/t₁) = ratio.
        a, b = 1 / one.threads, 1 / other.threads
        bottom = (1 - b) - ratio * (1 - a)
        shares.append(min(1.0, max(0.0, (ratio * a - b) / bottom)) if bottom > 0 else 1.0)
    return sorted(shares)[len(shares) // 2]


#: Of `cells`; `per node` is ranks × threads.
HEADINGS = ["nodes", "per node", "ranks", "jets per rank", "step [ms]", "passes", "exchange", "weights", "update",
            "jets/s", "efficiency", "days"]


def cells(rows, steps):
    """The cells of a table of rows, under `HEADINGS`; `update` includes the small exchanges of all ranks."""
    return [[
        f"{row.job.nodes}", f"{row.job.ranks} × {row.threads}", f"{row.job.nodes * row.job.ranks}",
        _short(row.job.batch / (row.job.nodes * row.job.ranks)), f"{1000 * row.step.total:.1f}",
        f"{1000 * row.step.passes:.1f}", f"{1000 * row.step.exchange:.1f}", f"{1000 * row.step.weights:.1f}",
        f"{1000 * (row.step.update + row.step.small):.1f}", f"{row.jets_per_second:.0f}", f"{row.efficiency:.2f}",
        _short(row.days(steps)),
    ] for row in rows]


def as_text(headings, lines):
    all_lines = [headings, *lines]
    widths = [max(len(line[column]) for line in all_lines) for column in range(len(headings))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths)).rstrip() for line in all_lines)


def as_markdown(headings, lines):
    return "\n".join("| " + " | ".join(line) + " |" for line in [headings, ["---"] * len(headings), *lines])


def _short(number):
    return f"{number:.0f}" if number >= 100 or number == math.floor(number) else f"{number:.3g}"
