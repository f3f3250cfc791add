"""Check of the formulas with SimGrid: the flows of an exchange in a fat tree share its links max-min fairly."""

import sys
import tempfile
from pathlib import Path

from kaon_data import DataError

# Debian's python3-simgrid is outside of virtual environments.
_DEBIAN = "/usr/lib/python3/dist-packages"


def platform(nodes, network):
    """A fat tree of two levels in SimGrid's XML: leaf switches with their nodes, and switches that connect them."""
    leaf = min(nodes, network.nodes_per_leaf)
    leaves = -(-nodes // leaf)
    up = leaf / network.oversubscription
    if nodes % leaf or up < 1 or up != int(up):
        raise DataError(
            f"SimGrid needs full leaf switches with a whole number of up-links: {nodes} nodes, {leaf} on a leaf, "
            f"oversubscription {network.oversubscription:g}")
    # Levels; for each level the links down and up of a switch, and the links between two switches.
    shape = f"2;{leaf},{leaves};1,{int(up)};1,1"
    return f"""<?xml version='1.0'?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1">
  <cluster id="cluster" prefix="node" suffix="" radical="0-{nodes - 1}" speed="1Gf" bw="{network.bandwidth:.0f}Bps"
           lat="{network.latency / 4:.12f}s" topology="FAT_TREE" topo_parameters="{shape}"
           sharing_policy="SPLITDUPLEX"/>
</platform>
"""


def simulated_exchange(nodes, size, network):
    """Time in which every node sends `size` bytes to every other node [s]. Raises DataError without SimGrid.

    A process can simulate once.
    """
    simgrid = _simgrid()
    # Plain flows: the whole bandwidth, no slow start, no window.
    settings = ["network/model:CM02", "network/TCP-gamma:0", "network/crosstraffic:0", "network/weight-S:0"]
    engine = simgrid.Engine(
        ["kaon-scaling", "--log=root.threshold:error", *(f"--cfg={setting}" for setting in settings)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "platform.xml"
        path.write_text(platform(nodes, network), encoding="utf-8")
        engine.load_platform(str(path))
    hosts = [engine.host_by_name(f"node{number}") for number in range(nodes)]

    def all_to_all():
        flows = [simgrid.Comm.sendto_async(a, b, int(size)) for a in hosts for b in hosts if a is not b]
        for flow in flows:
            flow.wait()

    simgrid.Actor.create("exchange", hosts[0], all_to_all)
    engine.run()
    return engine.clock


def formula_exchange(nodes, size, network):
    """The same time by the formula of the prediction [s]."""
    return size * (nodes - 1) / network.effective_bandwidth(nodes) + network.latency


def _simgrid():
    try:
        import simgrid
    except ImportError:
        sys.path.append(_DEBIAN)
        try:
            import simgrid
        except ImportError as error:
            raise DataError(
                f"SimGrid is missing ({error}): apt install python3-simgrid, and use the python3 of Debian or a "
                "virtual environment of the same version") from error
        finally:
            sys.path.remove(_DEBIAN)
    return simgrid
