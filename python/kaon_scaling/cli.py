"""The command `kaon-scaling`."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from kaon_data import DataError
from kaon_data.console import add_version, run_command, whole_number

from . import tables
from .comparison import HEADINGS, byte_overhead, compare, link_bandwidth
from .figures import read_figures
from .network import Network, parse_bandwidth, parse_time
from .prediction import Job

_STYLES = {"text": tables.as_text, "markdown": tables.as_markdown}


def main(arguments=None):
    return run_command(_main, arguments)


def _main(arguments):
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except DataError as error:
        print(f"kaon-scaling: {error}", file=sys.stderr)
        return 1


def _parser():
    parser = argparse.ArgumentParser(
        prog="kaon-scaling",
        description="Predicts the time of training steps on many nodes from 'kaon bench --scaling --json' on one node "
        "and the latency and bandwidth of the network.")
    add_version(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name, run, summary, description):
        added = commands.add_parser(name, help=summary, description=description)
        added.add_argument("bench", nargs="+", metavar="BENCH",
                           help="a file of 'kaon bench --scaling --json BENCH' on one node; of several measurements of "
                           "the same job the shortest times are used")
        added.add_argument("--format", choices=list(_STYLES), default="text", help="default %(default)s")
        added.add_argument("--json", metavar="FILE", help="also write the results to this file")
        added.set_defaults(run=run)
        return added

    command("measured", _measured, "the measurements of a node",
            "Prints what the predictions use of a measurement: times of a step in ms by jets per rank.")

    predict = command(
        "predict", _predict, "strong and weak scaling",
        "Prints strong scaling (a fixed global batch) and weak scaling (fixed jets per rank) over the nodes: the step "
        "and its parts in ms, jets/s, parallel efficiency, and days for the steps of the run.")
    _add_job(predict)
    predict.add_argument("--ranks", type=whole_number, metavar="N", help="ranks of a node (default: as measured)")
    predict.add_argument("--jets-per-rank", type=whole_number, default=8, metavar="N",
                         help="jets per rank of the weak scaling (default %(default)s)")
    predict.add_argument("--figure", metavar="FILE", help="also draw the figure: .pdf, .png or .svg")

    advise = command(
        "advise", _advise, "ranks and threads of a node",
        "Prints the fastest numbers of ranks and threads for nodes with many cores.")
    _add_job(advise)
    advise.add_argument("--cores", type=_positives, default=[64, 128, 192], metavar="N,…",
                        help="cores of a node (default 64,128,192)")
    advise.add_argument("--threads-bench", metavar="FILE",
                        help="the same measurement with another number of threads per rank, which shows how much "
                        "threads help; by default a quarter of the passes is assumed not to use them")
    advise.add_argument("--most", type=whole_number, default=3, metavar="N",
                        help="rows for each number of nodes (default %(default)s)")

    compared = command(
        "compare", _compare, "predictions and measurements of two hosts",
        "Compares predictions with measurements on two hosts (scripts/test-scaling.sh). Exit code 1 if a difference "
        "exceeds the tolerance.")
    compared.add_argument("--measured", nargs=5, action="append", required=True,
                          metavar=("NAME", "FILE", "RATE", "OVERLAP", "EXCHANGE"),
                          help="a setting: its name, the file of 'kaon bench --json' on both hosts, the rate of the "
                          "Ethernet link, on or off, fp32 or bf16; repeatable")
    compared.add_argument("--unlimited", metavar="FILE",
                          help="a measurement on both hosts without a limit of the link, for the time of the processor "
                          "for each byte")
    compared.add_argument("--link", nargs=2, action="append", default=[], metavar=("RATE", "FILE"),
                          help="a measurement on both hosts with a link of this rate, for the bandwidth that sums and "
                          "weights reach on it without overlap; repeatable")
    compared.add_argument("--tolerance", type=float, default=0.15, metavar="SHARE", help="default %(default)s")
    _add_network(compared)

    simulate = commands.add_parser(
        "simulate", help="check of the formulas with SimGrid",
        description="Replays the exchange of one message between all nodes of a fat tree with SimGrid (Debian: "
        "python3-simgrid) and compares its time with that of the formula.")
    simulate.add_argument("--nodes", type=_at_least_two, default=64, metavar="N", help="default %(default)s")
    simulate.add_argument("--bytes", type=whole_number, default=4 << 20, metavar="N",
                          help="bytes of the message (default %(default)s)")
    _add_network(simulate)
    simulate.set_defaults(run=_simulate)
    return parser


def _add_job(parser):
    parser.add_argument("--nodes", type=_positives, default=[1, 2, 4, 8, 16], metavar="N,…",
                        help="numbers of nodes (default 1,2,4,8,16)")
    parser.add_argument("--batch", type=whole_number, default=1000, metavar="N",
                        help="jets of a step (default %(default)s, the paper's)")
    parser.add_argument("--steps", type=whole_number, default=1_000_000, metavar="N",
                        help="steps of the run (default %(default)s, the paper's: 100 M jets ten times)")
    parser.add_argument("--exchange", choices=["fp32", "bf16"], default="fp32",
                        help="parallel.reduce_precision (default %(default)s)")
    parser.add_argument("--no-overlap", action="store_true", help="parallel.overlap=false")
    parser.add_argument("--memory", type=_bandwidth, metavar="RATE",
                        help="memory bandwidth of a node, such as 400GB, which limits sums and updates in nodes with "
                        "more ranks than measured (default: not considered)")
    _add_network(parser)


def _add_network(parser):
    default = Network()
    group = parser.add_argument_group("network")
    group.add_argument("--bandwidth", type=_bandwidth, default=default.bandwidth, metavar="RATE",
                       help="rate that messages reach between two nodes (osu_bw), such as 12.5GB; default 100gbit")
    group.add_argument("--half-duplex", action="store_true",
                       help="a node does not send while it receives")
    group.add_argument("--latency", type=_time, default=default.latency, metavar="TIME", help="default 2us")
    group.add_argument("--overhead", type=_time, default=default.overhead, metavar="TIME",
                       help="time of the processor for a message; default 0.5us")
    group.add_argument("--gap", type=_time, default=default.gap, metavar="TIME",
                       help="time between two messages of a node; default 20ns")
    group.add_argument("--byte-overhead", type=_time, default=default.byte_overhead, metavar="TIME",
                       help="time of the processor for a byte; default 0.2ns")
    group.add_argument("--nodes-per-leaf", type=whole_number, default=default.nodes_per_leaf, metavar="N",
                       help="nodes of a leaf switch of the fat tree (default %(default)s)")
    group.add_argument("--oversubscription", type=_factor, default=default.oversubscription, metavar="FACTOR",
                       help="bandwidth of the nodes of a leaf switch over that of its up-links (default 1)")


def _network(options, **changes):
    values = {name: getattr(options, name) for name in asdict(Network())}
    return Network(**{**values, **changes})


def _job(options, ranks):
    return Job(options.nodes[0], ranks, options.batch, 2 if options.exchange == "bf16" else 4, not options.no_overlap,
               options.memory)


def _measured(options):
    figures = read_figures(options.bench)
    print(f"measured: {figures.ranks} × {figures.threads} ({figures.precision}, {figures.parameters} parameters, "
          f"micro-batches of {figures.micro_batch} jets)\n")
    rows = [{"jets per rank": point.jets, "step [ms]": 1000 * (point.passes + point.update),
             "passes": 1000 * point.passes, "last backward": 1000 * point.backward, "update": 1000 * point.update,
             "jets/s": point.jets * figures.ranks / (point.passes + point.update)} for point in figures.points]
    print(_STYLES[options.format](list(rows[0]), [[f"{row['jets per rank']:g}", *(f"{value:.1f}" for value in
                                                   list(row.values())[1:])] for row in rows]))
    _write(options.json, rows)
    return 0


def _predict(options):
    if options.figure and Path(options.figure).suffix not in (".pdf", ".png", ".svg"):
        raise DataError(f"--figure {options.figure} does not end in .pdf, .png or .svg")
    figures = read_figures(options.bench)
    network = _network(options)
    job = _job(options, options.ranks or figures.ranks)
    layout = tables.Layout(figures.threads)
    found = {
        f"strong scaling: {options.batch} jets per step":
            tables.strong_scaling(figures, job, network, options.nodes, layout),
        f"weak scaling: {options.jets_per_rank} jets per rank":
            tables.weak_scaling(figures, job, network, options.nodes, layout, options.jets_per_rank),
    }
    print(f"predicted from {figures.ranks} × {figures.threads} measured ({figures.precision}, {figures.parameters} "
          f"parameters); {options.steps} steps")
    _print(found, options)
    if options.figure:
        _draw(found, options.figure)
    return 0


def _advise(options):
    figures = read_figures(options.bench)
    serial = 0.25
    if options.threads_bench:
        other = read_figures([options.threads_bench])
        if other.threads == figures.threads:
            raise DataError(f"{options.threads_bench} has {other.threads} threads per rank like {options.bench[0]}: "
                            "measure another number")
        serial = tables.serial_share(figures, other)
    print(f"predicted; {100 * serial:.0f} % of the passes do not use threads "
          f"({'measured' if options.threads_bench else 'assumed'})")
    found = {}
    for cores in options.cores:
        rows = tables.advice(figures, _job(options, figures.ranks), _network(options), options.nodes, cores, serial)
        found[f"nodes of {cores} cores, {options.batch} jets per step"] = [
            row for each in rows.values() for row in each[:options.most]]
    # The efficiency of a single row has no meaning.
    _print(found, options, leaving_out=["efficiency"])
    return 0


def _print(found, options, leaving_out=()):
    kept = [number for number, name in enumerate(tables.HEADINGS) if name not in leaving_out]
    for name, rows in found.items():
        lines = tables.cells(rows, options.steps)
        print(f"\n{name}\n")
        print(_STYLES[options.format]([tables.HEADINGS[number] for number in kept],
                                      [[line[number] for number in kept] for line in lines]))
    _write(options.json, {name: [{key: value for key, value in row.as_dict(options.steps).items()
                                  if key not in leaving_out} for row in rows] for name, rows in found.items()})


def _compare(options):
    figures = read_figures(options.bench)
    changes = {} if options.unlimited is None else {"byte_overhead": byte_overhead(options.unlimited)}
    network = _network(options, **changes)
    links = {rate: link_bandwidth(path) for rate, path in options.link}
    found = [compare(figures, setting, network, links) for setting in options.measured]
    print(_STYLES[options.format](HEADINGS, [each.cells for each in found]))
    _write(options.json, [each.as_dict() for each in found])
    beyond = [each.name for each in found if abs(each.difference) > options.tolerance]
    if beyond:
        print(f"kaon-scaling: more than {100 * options.tolerance:g} % from the measurement: {', '.join(beyond)}",
              file=sys.stderr)
    return 1 if beyond else 0


def _simulate(options):
    from .simulation import formula_exchange, simulated_exchange

    network = _network(options)
    size = max(1, options.bytes // options.nodes)
    simulated = simulated_exchange(options.nodes, size, network)
    formula = formula_exchange(options.nodes, size, network)
    print(f"{options.nodes} nodes, {options.bytes} bytes: SimGrid {1e6 * simulated:.1f} us, "
          f"formula {1e6 * formula:.1f} us ({100 * (formula / simulated - 1):+.1f} %)")
    return 0


def _draw(found, path):
    try:
        from .figure import plot_scaling
    except ImportError as error:
        raise DataError(f"{error.name} is missing: pip install './python[plots]'") from error
    try:
        plot_scaling(found, path)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}") from error


def _write(path, value):
    if path is None:
        return
    try:
        Path(path).write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}") from error


def _at_least_two(text):
    return whole_number(text, least=2)


def _positives(text):
    numbers = [whole_number(part) for part in text.split(",")]
    if sorted(set(numbers)) != numbers:
        raise argparse.ArgumentTypeError(f"{text}: give increasing numbers, such as 1,2,4")
    return numbers


def _factor(text):
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 1 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of at least 1")
    return number


def _bandwidth(text):
    return _as_argument(parse_bandwidth, text)


def _time(text):
    return _as_argument(parse_time, text)


def _as_argument(parse, text):
    try:
        return parse(text)
    except DataError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
