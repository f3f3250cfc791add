"""The time of a step of kaon on several nodes.

P ranks on N nodes, p of them on each node; a model of E parameters. After the last micro-batch, gradients are summed
in messages of about a million elements while the backward pass continues. Place k of each node sums 1/p of a message
in the memory of the node, and exchanges it with place k of the other nodes: each sends (N − 1)/N of it, and receives
as much. The p exchanges of a node share its link. After the update the new weights are gathered in the same way.
"""

import math
from dataclasses import dataclass

from .figures import jets_of_slowest

#: Messages that kaon exchanges at a time.
IN_FLIGHT = 8

#: Latency of a message between ranks of a node [s].
NODE_LATENCY = 0.5e-6

#: Small exchanges of all ranks in a step: numbers of constituents (two), jets, agreement, losses, gradient norm.
SMALL_EXCHANGES = 6


@dataclass(frozen=True)
class Job:
    """A training job: `nodes` nodes of `ranks` ranks, `batch` jets per step."""

    nodes: int
    ranks: int
    batch: float
    #: Bytes of an element of the gradients between nodes: 4 for fp32, 2 for bf16.
    element: int = 4
    overlap: bool = True
    #: Bytes per second of the memory of a node, for the sums and updates in it; None: as in the measurement.
    memory: float | None = None


@dataclass(frozen=True)
class StepTime:
    """Parts of the time of a step [s]."""

    passes: float
    #: What the backward pass does not hide of the exchange of gradients between nodes, and what it is slowed down by.
    exchange: float
    update: float
    #: New weights between nodes.
    weights: float
    #: Small exchanges of all ranks.
    small: float

    @property
    def total(self):
        return self.passes + self.exchange + self.update + self.weights + self.small


def predict(figures, job, network, speed=1.0):
    """The time of a step of a job.

    Args:
        figures: measurements of one node.
        job: the job, whose nodes may have more ranks than the measured one.
        network: the network.
        speed: speed of the passes of a rank over that of the measurement (other numbers of threads).
    """
    ranks = job.nodes * job.ranks
    # The largest share of a rank, which may be a single jet of fewer jets than ranks.
    share = max(1, math.ceil(job.batch / ranks - 1e-9))
    jets = jets_of_slowest(share, ranks, figures.ranks)
    more = _sum_in_node(figures, job)
    passes = figures.passes(jets) / speed + more
    backward = figures.backward(share, jets / share) / speed
    exchange = weights = 0.0
    if job.nodes > 1:
        exchange = exchange_time(figures.parameters, job, network, backward) - backward
        weights = gather_time(figures.parameters, job, network)
    small = SMALL_EXCHANGES * (
        math.ceil(math.log2(job.nodes)) * (network.latency + 2 * network.overhead)
        + math.ceil(math.log2(max(1, job.ranks / figures.ranks))) * NODE_LATENCY)
    return StepTime(passes, exchange, _update(figures, job), weights, small)


def messages(parameters, ranks):
    """Elements of the messages in which kaon sums the gradients, without regard to the borders of parameters."""
    most = min(1 << 23, max(1 << 20, ranks << 14))
    count = max(1, round(parameters / most))
    return [parameters / count] * count


def exchange_time(parameters, job, network, backward):
    """Time from the start of the last backward pass of `backward` seconds to the end of the gradient sums [s].

    The messages become final at regular intervals during the backward pass, or all at its end without overlap. Each is
    then sent through the link, in turn, at most `IN_FLIGHT` at a time. The processor's time for the messages that have
    arrived delays the backward pass; after it, processor and link work at the same time.
    """
    sizes = messages(parameters, job.nodes * job.ranks)
    bandwidth = network.effective_bandwidth(job.nodes)
    clock = 0.0 if job.overlap else backward
    link = 0.0
    ends, on_processor = [], []
    processed = 0
    for number, size in enumerate(sizes):
        if job.overlap:
            clock += backward / len(sizes)
            while processed < number and ends[processed] <= clock:
                clock += on_processor[processed]
                processed += 1
        start = max(clock, link)
        if number >= IN_FLIGHT:
            start = max(start, ends[number - IN_FLIGHT])
        for_link, for_processor = _costs(size, job.element, job, network, bandwidth)
        link = start + for_link
        ends.append(link + network.latency + network.overhead)
        on_processor.append(for_processor)
    # What arrives last is added last.
    return max(ends[-1] + on_processor[-1] / 2, clock + sum(on_processor[processed:]))


def gather_time(parameters, job, network):
    """Time of the gather of the new weights of all nodes [s]; all messages are sent at once, in single precision."""
    bandwidth = network.effective_bandwidth(job.nodes)
    costs = [_costs(size, 4, job, network, bandwidth) for size in messages(parameters, job.nodes * job.ranks)]
    return max(sum(link for link, _ in costs), sum(processor for _, processor in costs)) + network.latency \
        + 2 * network.overhead


def _costs(size, element, job, network, bandwidth):
    """Time of the link of a node and of the processor of a rank for a message of `size` elements [s]."""
    others = job.nodes - 1
    # Bytes that a rank sends to the others, and receives from them.
    sent = element * size / job.ranks * others / job.nodes
    link = max(job.ranks * sent / bandwidth, job.ranks * others * network.gap)
    return link, 2 * (others * network.overhead + sent * network.byte_overhead)


def _sum_in_node(figures, job):
    """Time of the sums in the memory of a node beyond that of the measurement [s], which overlap with nothing.

    A rank reads 1/p of the gradients of p ranks, all of them together p × 4 E bytes.
    """
    if job.memory is None or job.ranks <= figures.ranks:
        return 0.0
    return max(0.0, job.ranks * 4 * figures.parameters / job.memory - figures.sum_in_node)


def _update(figures, job):
    """Time of the update [s], which falls with the elements of a rank; the memory of a node limits it.

    The optimizer reads and writes weight, gradient and two moments: 28 bytes for each element of the node.
    """
    owned = figures.ranks / (job.ranks * job.nodes)
    time = figures.update() * owned
    if job.memory is not None:
        time = max(time, 28 * figures.parameters / job.nodes / job.memory)
    return time
