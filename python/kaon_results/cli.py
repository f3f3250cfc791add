"""The command `kaon-results`."""

import argparse
import sys

from kaon_data import DataError
from kaon_data.console import add_version, run_command

from .groups import select
from .lines import read_lines
from .provenance import provenance_table, provenance_text
from .runs import find_runs
from .table import as_csv, as_markdown, as_text, tables

_FORMATS = {"text": as_text, "csv": as_csv, "markdown": as_markdown}


def main(arguments=None):
    return run_command(_main, arguments)


def _main(arguments):
    parser = argparse.ArgumentParser(
        prog="kaon-results",
        description="Prints the results of all runs below the folders: mean ± standard deviation over seeds of the "
        "measures of their evaluations, one row for all runs that differ only in the seed. Unfinished runs are listed "
        "and excluded.",
    )
    add_version(parser)
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help="a run, or a folder that contains runs")
    parser.add_argument("--lines", action="append", default=[], metavar="FILE",
                        help="the lines of a sweep: includes their runs, and lists those not started; repeatable")
    parser.add_argument("--measure", type=names, metavar="NAME,…",
                        help="measures of metrics.json, or columns of metrics.csv such as valid/total_loss (the last "
                        "value); the default depends on the objective")
    parser.add_argument("--by", type=names, metavar="KEY,…",
                        help="keys that distinguish rows, such as backbone_mode,data.jets; default: all in which runs "
                        "differ")
    add_where(parser)
    parser.add_argument("--format", choices=list(_FORMATS), default="text", help="default %(default)s")
    parser.add_argument("--provenance", action="store_true",
                        help="print version, commit, command, machine, libraries and seed of every run (of its last "
                        "start), finished or not")
    options = parser.parse_args(arguments)
    if not options.folders and not options.lines:
        parser.error("give a FOLDER, or the --lines of a sweep")
    try:
        if options.provenance:
            runs = select(find_runs(options.folders + _begun(options.lines)), options.where)
            text = options.format == "text"
            sys.stdout.write(
                provenance_text(runs) if text else _FORMATS[options.format](provenance_table(runs)))
            return 0
        runs = finished(find_runs(options.folders + _begun(options.lines)), options.where, "kaon-results")
        found, warnings = tables(runs, options.measure, options.by)
    except DataError as error:
        print(f"kaon-results: {error}", file=sys.stderr)
        return 1
    for warning in warnings:
        print(f"kaon-results: {warning}", file=sys.stderr)
    sys.stdout.write(_FORMATS[options.format](found))
    return 0


def _begun(files):
    """The folders of the runs of sweeps; prints the lines whose run has not been started."""
    lines = [line for path in files for line in read_lines(path)]
    missing = [line for line in lines if not line.has_begun]
    for line in missing:
        print(f"kaon-results: not started: {line.folder} ({line.place})", file=sys.stderr)
    if missing:
        print(f"kaon-results: {len(missing)} of {len(lines)} lines not started", file=sys.stderr)
    return [line.folder for line in lines if line.has_begun]


def add_where(parser):
    parser.add_argument("--where", action="append", metavar="KEY=VALUE,…",
                        help="only runs with one of these values, such as backbone_mode=fixed,scratch; repeatable")


def finished(runs, where, program):
    """The finished runs that satisfy the conditions; prints the unfinished ones."""
    runs = select(runs, where)
    missing = [(run, reason) for run in runs if (reason := run.what_is_missing)]
    for run, reason in missing:
        print(f"{program}: unfinished: {run.folder} ({reason})", file=sys.stderr)
    if missing:
        text = f"{len(missing)} of {len(runs)} runs are unfinished and excluded"
        print(f"{program}: {text}", file=sys.stderr)
    if len(missing) == len(runs):
        raise DataError("no run is finished")
    return [run for run in runs if not run.what_is_missing]


def names(text):
    return [name for name in text.split(",") if name]


if __name__ == "__main__":
    sys.exit(main())
