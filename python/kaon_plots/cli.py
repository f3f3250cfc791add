"""The command `kaon-plot`."""

import argparse
import importlib
import sys
from pathlib import Path

import kaon_data


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="kaon-plot", description="Plots of what kaon's files hold.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    features = commands.add_parser(
        "features", help="distributions of the features of constituents and jets",
        description="Draws the distributions of the seven features, the identities, and four quantities of jets.",
    )
    features.add_argument("files", nargs="+", metavar="FILE",
                          help="a file of jets; a folder or a quoted pattern is one data set")
    features.add_argument("--output", required=True, metavar="PICTURE", help="ends in .pdf, .png or .svg")
    features.add_argument("--labels", action="store_true", help="one curve a class instead of one a file")
    features.add_argument("--names", nargs="+", metavar="NAME", help="of the files, for the legend")
    features.add_argument("--jets", type=int, default=100_000, metavar="N",
                          help="use the first N jets of each data set (default %(default)s)")
    features.set_defaults(run=_features)
    reconstruction = commands.add_parser(
        "reconstruction", help="what tasks recover of jets that were hidden in part",
        description="Draws jets of files of 'kaon generate --reconstruct' in the plane of Δη and Δφ.",
    )
    reconstruction.add_argument("files", nargs="+", metavar="FILE", help="of one model, or the same jets by several")
    reconstruction.add_argument("--output", required=True, metavar="PICTURE", help="ends in .pdf, .png or .svg")
    reconstruction.add_argument("--jets", nargs="+", type=int, default=[0, 1, 2], metavar="N",
                                help="the jets to draw (default 0 1 2)")
    reconstruction.set_defaults(run=_reconstruction)
    generated = commands.add_parser(
        "generated", help="generated jets against data",
        description="Draws generated jets and jets of data, and prints the Wasserstein distances of their distributions.",
    )
    generated.add_argument("generated", metavar="GENERATED", help="a file of 'kaon generate'")
    generated.add_argument("data", metavar="DATA", help="a file of jets; a folder or a quoted pattern is one data set")
    generated.add_argument("--output", required=True, metavar="PICTURE", help="ends in .pdf, .png or .svg")
    generated.add_argument("--jets", type=int, default=100_000, metavar="N",
                           help="use the first N jets of each (default %(default)s)")
    generated.set_defaults(run=_generated)
    observables = commands.add_parser(
        "observables", help="pT and mass of jets before and after a VQ-VAE",
        description="Draws pT and mass of jets before they became codes and after, and prints their medians.",
    )
    observables.add_argument("predictions", metavar="FILE", help="predictions.h5 of 'kaon evaluate' on a VQ-VAE")
    observables.add_argument("--output", required=True, metavar="PICTURE", help="ends in .pdf, .png or .svg")
    observables.set_defaults(run=_observables)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except kaon_data.DataError as error:
        print(f"kaon-plot: {error}", file=sys.stderr)
        return 1
    return 0


def _imported(module, name):
    try:
        return getattr(importlib.import_module(f".{module}", __package__), name)
    except ImportError as error:
        raise kaon_data.DataError(f"{error.name} is missing: pip install './python[plots]'") from error


def _check_picture(options):
    if Path(options.output).suffix not in (".pdf", ".png", ".svg"):
        raise kaon_data.DataError(f"--output {options.output} does not end in .pdf, .png or .svg")


def _reconstruction(options):
    plot = _imported("reconstruction", "plot_reconstruction")
    _check_picture(options)
    if min(options.jets) < 0:
        raise kaon_data.DataError(f"--jets {min(options.jets)}: jets are numbered from 0")
    plot(options.files, options.output, options.jets)


def _generated(options):
    plot = _imported("generated", "plot_generated")
    _check_picture(options)
    found = plot(*(kaon_data.read(path, 0, options.jets) for path in (options.generated, options.data)), options.output)
    print(f"{'quantity':<12}{'Wasserstein distance':>22}{'over the deviation of the data':>34}")
    for name, distance, deviation in found:
        print(f"{name:<12}{distance:>22.5g}{distance / deviation if deviation else float('nan'):>34.4f}")
def _observables(options):
    plot = _imported("observables", "plot_observables")
    _check_picture(options)
    print(f"{'quantity':<12}{'median before [GeV]':>22}{'median after [GeV]':>22}{'ratio':>10}")
    for name, before, after in plot(options.predictions, options.output):
        print(f"{name:<12}{before:>22.2f}{after:>22.2f}{after / before if before else float('nan'):>10.4f}")


def _features(options):
    plot_features = _imported("features", "plot_features")
    names = options.names or [_title(path) for path in options.files]
    if len(names) != len(options.files) or len(set(names)) < len(names):
        raise kaon_data.DataError(
            f"{len(options.files)} data sets need as many different names: give them with --names"
        )
    _check_picture(options)
    datasets = {name: kaon_data.read(path, 0, options.jets) for name, path in zip(names, options.files)}
    plot_features(datasets, options.output, options.labels)


def _title(path):
    return path if any(c in path for c in "*?[") else Path(path).stem
