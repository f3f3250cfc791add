"""The commands `convert-jetclass`, `convert-btag` and `convert-table`."""

import argparse
import os
import signal
import sys

from .console import add_version, run_command, whole_number
from .convert import convert
from .description import MOST_CONSTITUENTS, Description
from .errors import DataError
from .formats import FORMATS
from .layouts import COMPRESSIONS
from .plan import Options, parse_split

_SUBJECTS = {
    "jetclass": "JetClass (or files with its branches)",
    "btag": "the secondary-vertex data set (Zenodo 4044628, 13350327)",
    "table": "any data set",
}


def convert_jetclass(arguments=None):
    return run_command(lambda given: _main("jetclass", given), arguments)


def convert_btag(arguments=None):
    return run_command(lambda given: _main("btag", given), arguments)


def convert_table(arguments=None):
    return run_command(lambda given: _main("table", given), arguments)


def _parser(name):
    kinds = "ROOT, Parquet, HDF5, npz or pandas files" if name == "table" else "ROOT files"
    parser = argparse.ArgumentParser(
        prog=f"convert-{name}",
        description=f"Converts {kinds} of {_SUBJECTS[name]} to HDF5 files for kaon, with the jets of all sources "
        "mixed. The same command continues an interrupted conversion.",
    )
    add_version(parser)
    add = parser.add_argument
    if name == "table":
        add("configuration", metavar="CONFIG.yaml",
            help="description of the data set, such as configs/data/top-tagging.yaml")
    add("sources", nargs="+", metavar="SOURCE",
        help=f"{kinds}, or folders that are searched for " + ("them" if name == "table" else "*.root"))
    add("--output", required=True, metavar="DIR", help="output folder; one for each conversion")
    add("--layout", choices=["packed", "padded"], default="packed",
        help="without padding (default), or with the same number of slots for every jet")
    limit = None if name == "table" else FORMATS[name].max_constituents
    add("--max-constituents", type=_constituents, default=limit, metavar="N",
        help=f"keep the N constituents of highest pT of each jet (default {limit or 'that of CONFIG.yaml, or 128'})")
    add("--jets-per-file", type=whole_number, default=100_000, metavar="N", help="default %(default)s")
    add("--split", default="jets", metavar="NAMES",
        help="names and fractions of the outputs, like train=0.8,val=0.1,test=0.1; default: all in jets_000.h5 …")
    add("--seed", type=_natural, default=0, metavar="N", help="seed of the order of the jets (default 0)")
    add("--no-mix", action="store_true", help="keep the order of the sources")
    if name == "jetclass":
        add("--as-published", action="store_true",
            help="compute the signs of d0 and dz like the authors' public code, which uses the stored deta as the "
            "true one")
    add("--skip-bad", action="store_true",
        help="skip jets with non-finite or invalid values, or without constituents, instead of stopping")
    add("--max-skipped", type=_fraction, default=0.1, metavar="F",
        help="stop if a larger fraction of all jets would be skipped (default %(default)s)")
    add("--compression", choices=list(COMPRESSIONS), default="deflate", help="default %(default)s")
    add("--workers", type=whole_number, default=_cores(), metavar="N",
        help="number of processes (default: the number of cores, here %(default)s); does not affect the result")
    return parser


def _main(name, arguments):
    options = _parser(name).parse_args(arguments)
    # The signal handler exits at once: a conversion may be killed at any time, and an exception raised in a handler
    # can be lost where Python ignores exceptions. Suppress the warning of multiprocessing about leaked semaphores
    # that follows from it.
    os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning:multiprocessing.resource_tracker")
    handlers = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        description = Description.read(options.configuration) if name == "table" else None
        if description and options.max_constituents:
            description = Description(
                description.settings | {"max_constituents": options.max_constituents}, description.path)
        convert(
            options.sources,
            options.output,
            Options(
                format=name,
                layout=options.layout,
                max_constituents=description.max_constituents if description else options.max_constituents,
                jets_per_file=options.jets_per_file,
                seed=options.seed,
                mix=not options.no_mix,
                split=parse_split(options.split),
                as_published=getattr(options, "as_published", False),
                skip_bad=options.skip_bad,
                max_skipped=options.max_skipped,
                compression=options.compression,
                table=description.text if description else "",
                table_path=description.path if description else "",
            ),
            options.workers,
        )
    except DataError as error:
        print(f"convert-{name}: {error}", file=sys.stderr)
        return 1
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return 0


def _stop(number, _):
    os.write(sys.stderr.fileno(), b"\nstopped; the same command continues the conversion\n")
    os._exit(128 + number)


def _cores():
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _fraction(text):
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number in 0 … 1")
    return number


def _constituents(text):
    number = whole_number(text)
    if number > MOST_CONSTITUENTS:
        raise argparse.ArgumentTypeError(f"{text} is above {MOST_CONSTITUENTS}")
    return number


def _natural(text):
    number = whole_number(text, least=0)
    if number >= 2**64:
        raise argparse.ArgumentTypeError(f"{text} is not below 2^64")
    return number
