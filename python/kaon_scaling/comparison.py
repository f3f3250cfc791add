"""Predicted and measured steps of two hosts with a limited link."""

from dataclasses import dataclass, replace

from kaon_data import DataError

from .figures import read_reports, step_time
from .network import TCP_PAYLOAD, parse_bandwidth
from .prediction import Job, predict

HEADINGS = ["setting", "link", "overlap", "exchange", "jets per rank", "predicted [ms]", "measured [ms]", "difference"]


@dataclass(frozen=True)
class Comparison:
    """A setting, with the times of a step [s]."""

    name: str
    link: str
    overlap: bool
    exchange: str
    jets: int
    predicted: float
    measured: float

    @property
    def difference(self):
        return self.predicted / self.measured - 1

    def as_dict(self):
        return {
            "setting": self.name, "link": self.link, "overlap": self.overlap, "exchange": self.exchange,
            "jets_per_rank": self.jets, "predicted_ms": 1000 * self.predicted, "measured_ms": 1000 * self.measured,
            "difference": self.difference,
        }

    @property
    def cells(self):
        return [
            self.name, self.link, "on" if self.overlap else "off", self.exchange, f"{self.jets}",
            f"{1000 * self.predicted:.0f}", f"{1000 * self.measured:.0f}", f"{100 * self.difference:+.1f} %",
        ]


def compare(figures, setting, network, links, nodes=2):
    """Compares a setting, the five words NAME FILE RATE OVERLAP EXCHANGE. Raises DataError.

    FILE is the measurement of `kaon bench --json` on the hosts, RATE that of an Ethernet link. Its bandwidth is that in
    `links`, by rate, or else the payload of TCP, 1448/1514 of the rate.
    """
    name, path, rate, overlap, exchange = setting
    if overlap not in ("on", "off") or exchange not in ("fp32", "bf16"):
        raise DataError(f"setting {name}: expected on or off, and fp32 or bf16, found {overlap} {exchange}")
    network = replace(network, bandwidth=links.get(rate) or TCP_PAYLOAD * parse_bandwidth(rate))
    (report,) = _single(path)
    if report["groups"] != nodes or report["ranks"] % nodes:
        raise DataError(f"{path} was measured with {report['ranks']} ranks in {report['groups']} groups, "
                        f"expected {nodes} groups of as many ranks")
    job = Job(nodes, report["ranks"] // nodes, report["jets_per_step"], 2 if exchange == "bf16" else 4, overlap == "on")
    return Comparison(name, rate, job.overlap, exchange, report["jets_per_step"] // report["ranks"],
                      predict(figures, job, network).total, step_time(report))


def byte_overhead(path, nodes=2):
    """Time of the processor for a byte between hosts [s], from a measurement without a limit of the link.

    Raises DataError.
    """
    report, seconds = _communication(path)
    # A rank sends and receives.
    return seconds / (2 * _sent(report, nodes) / (report["ranks"] // nodes))


def link_bandwidth(path, nodes=2):
    """Bytes per second that the sums and the gather reach on a link in each direction, from a measurement of two hosts
    with that link. Raises DataError."""
    report, seconds = _communication(path)
    return _sent(report, nodes) / seconds


def _communication(path):
    (report,) = _single(path)
    if not report.get("communication_ms"):
        raise DataError(f"{path} has no communication_ms: measure at least two ranks")
    return report, report["communication_ms"] / 1000


def _sent(report, nodes):
    """Bytes that a node sends without overlap: (N − 1)/N of 4 E bytes for the sums, and as many for the weights."""
    return 2 * 4 * report["parameters"] * (nodes - 1) / nodes


def _single(path):
    reports = read_reports(path)
    if len(reports) != 1:
        raise DataError(f"{path} contains {len(reports)} measurements, expected that of one step size")
    return reports
