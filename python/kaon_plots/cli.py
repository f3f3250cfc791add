"""The command `kaon-plot`."""

import argparse
import sys
from pathlib import Path

import kaon_data
from kaon_data.console import add_version, run_command, whole_number
from kaon_results.cli import add_where, finished, names as split_names
from kaon_results.runs import find_runs, read_run

KEYS = ["backbone", "backbone_mode"]
#: The formats of figures, by their suffixes.
FORMATS = ("pdf", "png", "svg")
_ERRORS = f"{'data to data':>16}{'error':>12}{'error of data to data':>24}"


def main(arguments=None):
    return run_command(_main, arguments)


def _main(arguments):
    options = _parser().parse_args(arguments)
    try:
        options.output = _outputs(options.output, options.format)
        try:
            import mplhep  # noqa: F401
        except ImportError as error:
            raise kaon_data.DataError(f"{error.name} is missing: pip install './python[plots]'") from error
        try:
            options.run(options)
        except BrokenPipeError:
            raise
        except OSError as error:
            # An error of HDF5 while reading an open file has neither an error number nor a file name.
            name = error.filename or options.output[0]
            reason = f"{name} cannot be written: {error.strerror}" if error.strerror else f"a file is damaged: {error}"
            raise kaon_data.DataError(reason) from error
    except kaon_data.DataError as error:
        print(f"kaon-plot: {error}", file=sys.stderr)
        return 1
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="kaon-plot", description="Draws figures of kaon's files and runs.")
    add_version(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name, run, summary, description, inputs, meaning):
        added = commands.add_parser(name, help=summary, description=description)
        added.add_argument("inputs", nargs="+", metavar=inputs, help=meaning)
        added.add_argument("--output", required=True, metavar="FIGURE",
                           help="output file; its suffix is the format: .pdf, .svg (both vector graphics) or .png")
        added.add_argument("--format", type=split_names, metavar="FORMAT,…",
                           help="formats: pdf, svg or png, one file each; they replace the suffix of --output")
        added.set_defaults(run=run)
        return added

    features = command(
        "features", _features, "distributions of the features of constituents and jets",
        "Draws the distributions of all features and identities in the files, and of quantities of jets or events.",
        "FILE", "a jet file; a folder or a quoted pattern is one data set")
    features.add_argument("--labels", action="store_true", help="one curve per class instead of one per file")
    _add_names(features)
    features.add_argument("--jets", type=whole_number, default=100_000, metavar="N",
                          help="use the first N jets of each data set (default %(default)s)")

    reconstruction = command(
        "reconstruction", _reconstruction, "reconstruction of dropped constituents by each task",
        "Draws jets from files of 'kaon generate --reconstruct': the distributions of pT, Δη and Δφ of the "
        "constituents of each jet, of the survivors, and of the survivors with the reconstruction by each task. With "
        "--pooled, draws the dropped constituents of all jets, pT and mass of the jets, and the ratio of each "
        "reconstruction to the original, and prints Wasserstein distances.",
        "FILE", "a file of 'kaon generate --reconstruct', or several files of the same jets by different models")
    reconstruction.add_argument("--plane", action="store_true",
                                help="draw the constituents as circles in the Δη–Δφ plane instead")
    reconstruction.add_argument("--pooled", action="store_true", help="compare the distributions of all jets instead")
    reconstruction.add_argument("--jets", nargs="+", type=int, metavar="N",
                                help="indices of the jets to draw (default: the first three; with --pooled: all)")
    reconstruction.add_argument("--names", nargs="+", metavar="NAME",
                                help="names of the files, if several of them contain the same task")
    generated = command(
        "generated", _generated, "comparison of generated jets with data",
        "Draws distributions of generated jets and of data with their ratios, and prints their Wasserstein distances, "
        "FPD, KPD, coverage and MMD; those of one half of the data to the other are what to expect of perfect jets.",
        "FILE", "a file of 'kaon generate', then a jet file, a folder or a quoted pattern")
    generated.add_argument("--jets", type=whole_number, default=100_000, metavar="N",
                           help="use the first N jets of each (default %(default)s)")
    generated.add_argument("--class", dest="chosen", metavar="NAME",
                           help="compare the jets of this class alone, or all that were generated without classes")
    generated.add_argument("--json", metavar="FILE",
                           help="also write the measures to this file; kaon-results reads generation/metrics.json of a "
                           "run folder")
    command(
        "observables", _observables, "pT and mass of jets before and after a VQ-VAE",
        "Draws pT and mass of jets before and after quantisation with their ratios, and prints medians and Wasserstein "
        "distances.",
        "FILE", "predictions.h5 of 'kaon evaluate' on a VQ-VAE, or the run folder")

    regression = command(
        "regression", _regression, "response and resolution of a regression against pT",
        "Draws median and resolution of predicted / true in intervals of pT with equal numbers of jets, and prints "
        "them for all jets.",
        "PREDICTIONS", "a predictions.h5 of a regression, or the run folder")
    _add_names(regression)

    scan = command(
        "scan", _scan, "a measure against a key, such as accuracy against labelled jets",
        "Draws a measure of all runs below the folders against a configuration key: the mean over the seeds with a "
        "band of one standard deviation, one curve for each backbone and mode.",
        "FOLDER", "a run, or a folder that contains runs")
    scan.add_argument("--x", default="data.jets", metavar="KEY", help="a numeric key (default %(default)s)")
    scan.add_argument("--measure", default="accuracy", metavar="NAME",
                      help="a measure of metrics.json, or a column of metrics.csv such as valid/total_loss (default "
                      "%(default)s)")
    btag = command(
        "btag", _btag, "the three tasks of the BTag set in one figure",
        "Draws accuracy against labelled jets, the adjusted Rand index against secondary vertices, and balanced "
        "accuracy against tracks, from the runs of classification, vertexing and track_origin below the folders; for "
        "the latter two, the runs with the most jets.",
        "FOLDER", "a run, or a folder that contains runs")
    for added in (scan, btag):
        added.add_argument("--by", type=split_names, default=KEYS, metavar="KEY,…",
                           help="keys that distinguish curves (default backbone,backbone_mode)")
        add_where(added)

    for name, run, summary, description in [
        ("roc", _roc, "background rejection against signal efficiency",
         "Draws ROC curves from the predictions of evaluations: of every class against the rest, or of --signal "
         "against --background. A curve ends where fewer than ten background jets are left; its band is one standard "
         "deviation."),
        ("sic", _sic, "significance improvement against signal efficiency",
         "Draws the significance improvement, the signal efficiency divided by the square root of the background "
         "efficiency, for the same classes and with the same bands as 'kaon-plot roc'."),
    ]:
        curves = command(name, run, summary, description, "PREDICTIONS", "a predictions.h5, or a run folder")
        curves.add_argument("--signal", type=split_names, metavar="CLASS,…",
                            help="signal classes, one curve each (default: all)")
        curves.add_argument("--background", metavar="CLASS", help="background class (default: all other classes)")
        _add_names(curves)

    command(
        "confusion", _confusion, "confusion matrix",
        "Draws the confusion matrix of an evaluation, in percent of the true class.",
        "FILE", "a metrics.json, a predictions.h5, or a run folder")

    training = command(
        "training", _training, "losses and learning rate of runs",
        "Draws training and validation losses, the learning rate and the gradient norm from metrics.csv.",
        "RUN", "a run folder")
    _add_names(training)

    rates = command(
        "rates", _rates, "loss against learning rate of kaon tune-rate",
        "Draws the loss against the learning rate of learning-rate range tests, with the suggested rates.",
        "FILE", "a CSV file of 'kaon tune-rate'")
    _add_names(rates)
    return parser


def _outputs(output, formats):
    """The output files: that of --output, or one for each of --format."""
    path, known = Path(output), [f".{name}" for name in FORMATS]
    if formats is None:
        if path.suffix not in known:
            raise kaon_data.DataError(
                f"--output {output} does not end in .pdf, .png or .svg; --format pdf adds a suffix")
        return [path]
    for name in formats:
        if name not in FORMATS:
            raise kaon_data.DataError(f"--format {name} is unknown; use {', '.join(FORMATS)}")
    stem = path.with_suffix("") if path.suffix in known else path
    if not formats:
        raise kaon_data.DataError(f"--format is empty; use {', '.join(FORMATS)}")
    return [stem.with_name(f"{stem.name}.{name}") for name in dict.fromkeys(formats)]


def _add_names(parser):
    parser.add_argument("--names", nargs="+", metavar="NAME", help="names for the legend")


def _reconstruction(options):
    from .generated import plot_pooled
    from .reconstruction import plot_distributions, plot_plane, read

    if options.pooled and options.plane:
        raise kaon_data.DataError("give --plane or --pooled, not both")
    if options.jets and min(options.jets) < 0:
        raise kaon_data.DataError(f"--jets {min(options.jets)}: jets are numbered from 0")
    titles = [_title(path) for path in options.inputs]
    names = _names(options, titles, "files") if options.names else titles
    if options.pooled:
        _print_distances(plot_pooled(read(options.inputs, options.jets, names), options.output), has_samples=True)
        return
    jets = read(options.inputs, options.jets, names, most=3)
    (plot_plane if options.plane else plot_distributions)(jets, options.output)


def _generated(options):
    from . import generation
    from .generated import plot_generated

    if len(options.inputs) != 2:
        raise kaon_data.DataError(f"got {len(options.inputs)} files: give the generated jets, then the data")
    made, data = (kaon_data.read(path, 0, options.jets) for path in options.inputs)
    if options.chosen is not None:
        made, data = (_of_class(jets, path, options.chosen) for jets, path in zip((made, data), options.inputs))
    distances = plot_generated(made, data, options.output)
    mean, single, measures, reasons = generation.measure(made, data)
    distances += [mean] if mean else []
    _print_distances(distances)
    if measures:
        print(f"\n{'measure':<12}{'value':>22}{'':>34}{_ERRORS}")
    for each in measures:
        print(f"{each.name:<12}{each.value:>22.5g}{'':>34}{_errors(each)}")
    for reason in reasons:
        print(f"kaon-plot: {reason}", file=sys.stderr)
    if options.json is not None:
        text = generation.report(
            distances + single, measures, generated=options.inputs[0], data=options.inputs[1], chosen=options.chosen,
            jets={"generated": len(made), "data": len(data)})
        Path(options.json).write_text(text, encoding="utf-8")


def _of_class(jets, path, name):
    """The jets of a class; all if the file has only jets that were generated without classes."""
    names = jets.attrs["class_names"] or []
    if names == ["generated"]:
        return jets
    if name not in names:
        raise kaon_data.DataError(f"{path} has no class {name}; its classes: {', '.join(names) or 'none'}")
    chosen = jets[jets.label == names.index(name)]
    if not len(chosen):
        raise kaon_data.DataError(f"{path} has no jets of the class {name} among the first {len(jets)}: raise --jets")
    return chosen


def _print_distances(distances, has_samples=False):
    name = max([11, *(len(each.sample) for each in distances)]) + 1
    print(f"{'method':<{name}}" * has_samples + f"{'quantity':<12}{'Wasserstein distance':>22}"
          f"{'over the standard deviation of the data':>43}{_ERRORS}")
    for each in distances:
        relative = each.distance / each.deviation if each.deviation else float("nan")
        print(f"{each.sample:<{name}}" * has_samples + f"{each.quantity:<12}{each.distance:>22.5g}{relative:>43.4f}"
              + _errors(each))


def _errors(each):
    return f"{each.data_to_data:>16.5g}{each.error:>12.2g}{each.data_to_data_error:>24.2g}"


def _observables(options):
    from .observables import plot_observables

    if len(options.inputs) != 1:
        raise kaon_data.DataError(f"got {len(options.inputs)} files: give one predictions.h5")
    found = plot_observables(options.inputs[0], options.output)
    print(f"{'quantity':<12}{'median before [GeV]':>22}{'median after [GeV]':>22}{'ratio':>10}"
          f"{'Wasserstein distance':>22}{'data to data':>16}")
    for each in found:
        before, after = each.median_before, each.median_after
        print(f"{each.name:<12}{before:>22.2f}{after:>22.2f}{after / before if before else float('nan'):>10.4f}"
              f"{each.distance:>22.5g}{each.data_to_data:>16.5g}")


def _regression(options):
    from kaon_results.predictions import predictions_path

    from .regression import plot_regression, read

    names = _names(options, _run_titles([_run_folder(predictions_path(path)) for path in options.inputs]), "files")
    found = plot_regression({name: read(path) for name, path in zip(names, options.inputs)}, options.output)
    width = max(len("run"), *(len(name) for name, _, _ in found))
    print(f"{'run':<{width}}{'median of predicted / true':>30}{'half of its 68 % interval':>30}")
    for name, median, resolution in found:
        print(f"{name:<{width}}{median:>30.4f}{resolution:>30.4f}")


def _features(options):
    from .features import plot_features

    names = _names(options, [_title(path) for path in options.inputs], "data sets")
    datasets = {name: kaon_data.read(path, 0, options.jets) for name, path in zip(names, options.inputs)}
    plot_features(datasets, options.output, options.labels)


def _scan(options):
    from .scan import plot_scan

    runs = finished(find_runs(options.inputs), options.where, "kaon-plot")
    plot_scan(runs, options.output, options.x, options.measure, options.by)


def _btag(options):
    from .btag import plot_btag

    plot_btag(finished(find_runs(options.inputs), options.where, "kaon-plot"), options.output, options.by)


def _roc(options):
    from .roc import plot_roc

    plot_roc(_predictions(options), options.output, options.signal, options.background)


def _sic(options):
    from .roc import plot_sic

    plot_sic(_predictions(options), options.output, options.signal, options.background)


def _predictions(options):
    from kaon_results.predictions import predictions_path, read_predictions

    names = _names(options, _run_titles([_run_folder(predictions_path(path)) for path in options.inputs]), "files")
    return {name: read_predictions(path) for name, path in zip(names, options.inputs)}


def _confusion(options):
    from .confusion import plot_confusion, read_confusion

    if len(options.inputs) > 1:
        raise kaon_data.DataError("give one file: a figure shows one confusion matrix")
    plot_confusion(read_confusion(options.inputs[0]), options.output)


def _training(options):
    from .training import plot_training

    names = _names(options, _run_titles(options.inputs), "runs")
    plot_training([read_run(path) for path in options.inputs], names, options.output)


def _rates(options):
    from .rates import plot_rates, read_rates

    names = _names(options, [_title(path) for path in options.inputs], "files")
    plot_rates([read_rates(path) for path in options.inputs], names, options.output)


def _names(options, titles, what):
    names = options.names or titles
    if len(names) != len(titles) or len(set(names)) < len(names):
        raise kaon_data.DataError(f"{len(titles)} {what} need {len(titles)} different names: give them with --names")
    return names


def _title(path):
    if any(c in path for c in "*?["):
        return path
    return Path(path).name if Path(path).is_dir() else Path(path).stem


def _run_folder(path):
    """The run folder of a file of an evaluation."""
    folder = path.resolve().parent
    return folder.parent if folder.name == "evaluation" else folder


def _run_titles(folders):
    """The names of folders; if these are not unique, as in a sweep, the parts of the paths that differ."""
    paths = [Path(folder).resolve().parts for folder in folders]
    names = [parts[-1] for parts in paths]
    if len(set(names)) == len(names):
        return names
    common = set.intersection(*map(set, paths))
    return ["/".join(part for part in parts if part not in common) or parts[-1] for parts in paths]
