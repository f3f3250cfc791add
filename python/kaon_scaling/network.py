"""The network between nodes: parameters of the LogGP model, and contention in a fat tree."""

import re
from dataclasses import dataclass

from kaon_data import DataError

#: Bytes of payload in a full Ethernet frame of TCP, over its bytes.
TCP_PAYLOAD = 1448 / 1514

_UNITS = {
    "bandwidth": {"kbit": 125.0, "mbit": 125e3, "gbit": 125e6, "mb": 1e6, "gb": 1e9},
    "time": {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0},
}


@dataclass(frozen=True)
class Network:
    """LogGP (doi:10.1006/jpdc.1997.1346), with a time of the processor for each byte as in LogGOPS
    (doi:10.1145/1851476.1851564).

    Times in seconds. Nodes are connected to leaf switches; the up-links of a leaf switch have together 1 /
    `oversubscription` of the bandwidth of its nodes.
    """

    #: L: time of a message on the way, without its bytes.
    latency: float = 2e-6
    #: Bytes per second that messages reach between two nodes, in each direction; 1 / G.
    bandwidth: float = 12.5e9
    #: o: time of the processor for sending or receiving a message.
    overhead: float = 0.5e-6
    #: g: time between two messages of the network interface of a node.
    gap: float = 0.02e-6
    #: O: time of the processor for a byte that is sent or received, with the addition of what is received.
    byte_overhead: float = 0.2e-9
    #: True if a node does not send while it receives.
    half_duplex: bool = False
    nodes_per_leaf: int = 32
    oversubscription: float = 1.0

    def effective_bandwidth(self, nodes):
        """Bytes per second that each node sends while all nodes exchange parts of equal size with all others.

        A node sends the share (nodes − nodes_per_leaf) / (nodes − 1) through the up-links.
        """
        outside = max(0, nodes - self.nodes_per_leaf) / (nodes - 1)
        own = self.bandwidth / 2 if self.half_duplex else self.bandwidth
        return min(own, self.bandwidth / max(1.0, outside * self.oversubscription))


def parse_bandwidth(text):
    """Bytes per second of `1gbit`, `12.5GB` and the like. Raises DataError."""
    return _parse(text, "bandwidth", "such as 100gbit or 12.5GB (a second)")


def parse_time(text):
    """Seconds of `2us` and the like. Raises DataError."""
    return _parse(text, "time", "such as 2us or 0.5ms", allow_zero=True)


def _parse(text, kind, expected, allow_zero=False):
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-zµ]+)", text.strip().lower())
    if not match or match.group(2) not in _UNITS[kind] or (float(match.group(1)) == 0 and not allow_zero):
        raise DataError(f"'{text}' is not a {kind}, {expected}")
    return float(match.group(1)) * _UNITS[kind][match.group(2)]
