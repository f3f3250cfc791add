"""What the page shows of every row: tables, figures and claims."""

import statistics
from dataclasses import dataclass, field

import awkward as ak
import numpy as np

from kaon_plots.observables import plot_observables, read as read_observables

from .claims import Claim, Fact
from .rows import BACKBONES, RECONSTRUCTED, TABLE_1_1, TABLE_1_3, locate

_MODE_NAMES = {"fixed": "fixed", "fine_tuned": "fine-tuned", "scratch": "from scratch"}


@dataclass
class Section:
    """`tables` are lists of rows, the heading first; `figures` maps names of files to functions that draw them."""

    tables: list = field(default_factory=list)
    figures: dict = field(default_factory=dict)
    claims: list = field(default_factory=list)


def table_1_1(results, row):
    jets = results.book.scale.probe_jets
    place = {config: f"linear/{config}/fixed/jets-{jets}" for config, *_ in TABLE_1_1}
    table = [["inputs", "targets", "position", "accuracy [%]", "thesis [%]"]]
    for config, *words, value in TABLE_1_1:
        table.append([*words, results.cell(place[config], percent=True), f"{value}"])
    v = {config: results.values(what) for config, what in place.items()}
    pairs = [
        ("VQ-VAE targets are better than the features themselves", "vqvae-head", "regression-head"),
        ("k-means targets are better than the features themselves", "kmeans-head", "regression-head"),
        ("the position in the head is better than none", "vqvae-head", "vqvae-none"),
        ("the position in the head is better than in the backbone", "vqvae-head", "vqvae-backbone"),
        ("no position is better than one in the backbone", "vqvae-none", "vqvae-backbone"),
        ("for regression, the position in the head is better than in the backbone", "regression-head",
         "regression-backbone"),
        ("continuous inputs are better than codes (VQ-VAE targets)", "vqvae-head", "vqvae-to-vqvae-head"),
        ("continuous inputs are better than codes (k-means targets)", "kmeans-head", "vqvae-to-kmeans-head"),
        ("VQ-VAE targets are better than k-means targets", "vqvae-head", "kmeans-head"),
    ]
    return Section([table], {}, [Claim(text, v["mpmv1-" + a], v["mpmv1-" + b]) for text, a, b in pairs])


def figure_1_2(results, row):
    name, table = "samples/vqvae-v1", [["quantity", "median before [GeV]", "median after [GeV]", "ratio"]]
    found = {}
    if name in results.finished:
        values = read_observables(results.book.folder / name / "evaluation/predictions.h5")
        for key, (before, after) in values.items():
            a, b = float(np.median(before)), float(np.median(after))
            found[key] = b / a
            table.append([key, f"{a:.1f}", f"{b:.1f}", f"{b / a:.3f}"])
    path = results.book.folder / name / "evaluation/predictions.h5"
    figures = {"figure-1.2.png": lambda output: plot_observables(path, output)} if found else {}
    claims = [Fact(f"the median of {key.replace('_', ' ')} is within 2 % of the original",
                   None if not found else abs(found[key] - 1) < 0.02)
              for key in found or ("jet_pt", "jet_mass")]
    return Section([table] if found else [], figures, claims)


def _by_jets(results, row, lines, numbers, measure, percent, x, heading):
    """A table with a line for each curve and a column for each number of jets, and a figure."""
    factor = {"accuracy": " [%]"}.get(measure, "") if percent else ""
    table = [[heading + factor, *(f"{n:,} jets" for n in numbers)]]
    for title, what in lines:
        table.append([title, *(results.cell(f"{what}/jets-{n}", measure, percent) for n in numbers)])
    runs = results.plotted(row.name)
    figures = {}
    if len({run.value(x) for run in runs}) > 1:
        def draw(output):
            from kaon_plots.scan import plot_scan

            plot_scan(runs, output, x, measure, ("backbone", "backbone_mode"))
        figures[f"{row.name}.png"] = draw
    return table, figures


def _version_1_places(results, task, suffix=""):
    title = results.book.version_1_name + suffix
    return {mode: f"{task}/{title if mode != 'scratch' else 'mpmv1'}/{mode}" for mode in _MODE_NAMES}


def _version_1(task, suffix, numbers_of):
    def section(results, row):
        numbers = numbers_of(results.book.scale)
        what = _version_1_places(results, task, suffix)
        table, figures = _by_jets(results, row, [(_MODE_NAMES[mode], what[mode]) for mode in what], numbers, "accuracy",
                                  True, "data.jets", "accuracy")
        v = {(mode, n): results.values(f"{what[mode]}/jets-{n}") for mode in what for n in numbers}
        claims = [Claim(f"with {n:,} labelled jets {_MODE_NAMES[mode]} is better than from scratch", v[mode, n],
                        v["scratch", n]) for n in numbers[:-1] for mode in ("fine_tuned", "fixed")]
        most = numbers[-1]
        claims.append(Claim(f"with {most:,} labelled jets from scratch is better than fixed", v["scratch", most],
                            v["fixed", most]))
        return Section([table], figures, claims)
    return section


def figure_1_5(results, row):
    numbers = results.book.scale.signal_v1
    what = _version_1_places(results, "cwola-v1")
    table, figures = _by_jets(results, row, [(_MODE_NAMES[mode], what[mode]) for mode in what], numbers, "sic_half",
                              False, "cwola.signal_jets", "ε_S/√ε_B at 0.5")
    claims = [Claim(f"with {n:,} signal jets {_MODE_NAMES[mode]} is better than from scratch",
                    results.values(f"{what[mode]}/jets-{n}", "sic_half"),
                    results.values(f"{what['scratch']}/jets-{n}", "sic_half"))
              for n in numbers for mode in ("fine_tuned", "fixed")]
    return Section([table], figures, claims)


def figure_1_6(results, row):
    from kaon_data import read
    from kaon_plots.features import plot_features

    paths = {"JetClass": locate(results.book.data, "train"), "BTag": locate(results.book.data, "btag_train")}
    datasets = {name: read(path, 0, 20_000) for name, path in paths.items()}
    counts = {name: ak.to_numpy(ak.num(jets.constituents)) for name, jets in datasets.items()}
    neutral = {name: np.isin(ak.to_numpy(ak.flatten(jets.constituents.id)), (0, 2)).mean()
               for name, jets in datasets.items()}
    table = [["data set", "constituents, median", "constituents, largest", "neutral constituents [%]"]]
    for name, own in counts.items():
        table.append([name, f"{np.median(own):.0f}", f"{own.max()}", f"{100 * neutral[name]:.1f}"])
    claims = [Fact("BTag jets have charged constituents only", neutral["BTag"] == 0),
              Fact("BTag jets have at most 15 constituents, far fewer than those of JetClass",
                   counts["BTag"].max() <= 15 < np.median(counts["JetClass"]))]
    figures = {"figure-1.6.png": lambda output: plot_features(datasets, output)}
    return Section([table], figures, claims)


def table_1_3(results, row):
    jets = results.book.scale.probe_jets if results.book.scale.is_small else 100_000_000
    place = {}
    for config, *_ in TABLE_1_3[:-1]:
        for column in ("regression", "kmeans"):
            place[config, column] = f"classification/ablation-{config}-{column}/fixed/jets-{jets}"
    for column in ("regression", "kmeans"):
        place[TABLE_1_3[-1][0], column] = f"classification/mpmv2-{column}/fixed/jets-{jets}"
    table = [["", "regression [%]", "thesis", "k-means [%]", "thesis"]]
    for config, title, regression, kmeans in TABLE_1_3:
        cells = [results.cell(place[config, column], percent=True) for column in ("regression", "kmeans")]
        table.append([title, cells[0], f"{regression}", cells[1], f"{kmeans}"])
    v = {key: results.values(what) for key, what in place.items()}
    claims = []
    for column, name in (("regression", "regression"), ("kmeans", "k-means")):
        claims += [Claim(f"{name}: {after[1]} is better than the row before", v[after[0], column], v[before[0], column])
                   for before, after in zip(TABLE_1_3, TABLE_1_3[1:])]
    claims += [Claim(f"k-means is better than regression: {config[1]}", v[config[0], "kmeans"],
                     v[config[0], "regression"]) for config in TABLE_1_3]
    return Section([table], {}, claims)


def figure_1_8(results, row):
    scale = results.book.scale
    jets = scale.probe_jets if scale.is_small else 100_000_000
    base = "ablation-6-registers-kmeans"

    def place(name, value, usual):
        return f"classification/{base if value == usual else f'{name}-{value}'}/fixed/jets-{jets}"

    rates = {rate: place("mask", rate, 0.3) for rate in scale.mask_rates}
    depths = {depth: place("depth", depth, scale.base_depth) for depth in scale.depths}
    tables = [
        [["fraction of masked constituents", *map(str, rates)],
         ["accuracy [%]", *(results.cell(what, percent=True) for what in rates.values())]],
        [["layers of the decoder", *map(str, depths)],
         ["accuracy [%]", *(results.cell(what, percent=True) for what in depths.values())]],
    ]
    runs = results.plotted(row.name)
    figures = {}
    for key, file, wanted in (("backbone.masking.fraction", "mask", rates),
                              ("backbone.model.decoder.layers", "depth", depths)):
        titles = {what.split("/")[1] for what in wanted.values()}
        some = [run for run in runs if run.config["backbone"] in titles]
        if len({run.value(key) for run in some}) > 1:
            def draw(output, key=key, some=some):
                from kaon_plots.scan import plot_scan

                plot_scan(some, output, key, "accuracy", ("backbone_mode",))
            figures[f"figure-1.8-{file}.png"] = draw
    v = {rate: results.values(what) for rate, what in rates.items()}
    d = {depth: results.values(what) for depth, what in depths.items()}
    middle = next(rate for rate in (0.4, 0.3, 0.5) if rate in rates)
    deepest = max(depths)
    loss = None
    if v[0.9] and v[middle]:
        loss = statistics.mean(v[middle]) - statistics.mean(v[0.9]) < 0.05
    claims = [Fact(f"90 % masked costs less than 5 % of accuracy against {middle:.0%}", loss),
              Claim(f"{middle:.0%} masked is better than 90 %", v[middle], v[0.9]),
              Claim(f"{middle:.0%} masked is better than 10 %", v[middle], v[0.1]),
              Claim(f"a decoder of {deepest} layers is better than one of 1", d[deepest], d[1])]
    return Section(tables, figures, claims)


def _every_backbone(task, mode, numbers_of=None, measure="accuracy", percent=True, x="data.jets", heading="accuracy"):
    """A section with a line for each backbone of version 2 and one from scratch."""
    def section(results, row):
        lines = [(title, f"{task}/{config}/{mode}") for config, title in BACKBONES.items()]
        lines.append(("from scratch", f"{task}/mpmv2/scratch"))
        if numbers_of is None:
            table, figures, suffixes = _series(results, row, lines, measure, heading), {}, [("", f" in {heading}")]
        else:
            numbers = numbers_of(results.book.scale)
            table, figures = _by_jets(results, row, lines, numbers, measure, percent, x, heading)
            suffixes = [(f"/jets-{n}", f" with {n:,} jets") for n in numbers]
        claims = [Claim(f"{title} is better than from scratch{words}", results.values(what + suffix, measure),
                        results.values(lines[-1][1] + suffix, measure))
                  for suffix, words in suffixes for title, what in lines[:-1]]
        return Section([table], figures, claims)
    return section


def _series(results, row, lines, measure, heading):
    names = {"ari": {f"ari_{n}_secondary_vertices": "1 secondary vertex" if n == 1 else f"{n} vertices"
                     for n in range(1, 7)},
             "balanced_accuracy": {f"balanced_accuracy_{n}_tracks": f"{n} tracks" for n in (2, 5, 8, 11, 14)}}[measure]
    table = [["", heading, *names.values()]]
    for title, what in lines:
        table.append([title, results.cell(what, measure), *(results.cell(what, name) for name in names)])
    return table


def btag_figure(results, output):
    """The three panels of Figure 1.10."""
    from kaon_plots.btag import plot_btag

    rows = ("figure-1.10a", "figure-1.10b", "figure-1.10c")
    plot_btag([run for row in rows for run in results.plotted(row)], output)


def figure_a_2(results, row):
    sections = [part(results, row) for part in _PARTS_A_2]
    figures = {}
    runs = results.plotted(row.name)
    if runs:
        def draw(output):
            from kaon_plots.btag import plot_btag

            plot_btag(runs, output)
        figures["figure-A.2.png"] = draw
    return Section([table for each in sections for table in each.tables], figures,
                   [claim for each in sections for claim in each.claims])


def figure_a_3(results, row):
    from kaon_plots.reconstruction import plot_distributions, read

    names = [name for name in RECONSTRUCTED if f"samples/{name}" in results.finished]
    if not names:
        return Section(claims=[Fact("regression collapses towards the centre", None)])
    files = [results.book.folder / f"samples/{name}/jets.h5" for name in names]
    titles = [BACKBONES[name] for name in names]
    jets = read(files, None, titles)
    truth = np.concatenate(jets.dropped)[:, 1].std()
    # Dropped constituents have identities as a task of their own, which is not a method for continuous features.
    widths = {name: float(np.concatenate(parts)[:, 1].std() / truth) for name, parts in jets.recovered.items()}
    table = [["method", "width of Δη of the reconstructed over that of the dropped constituents"],
             *([name, f"{width:.2f}"] for name, width in widths.items())]
    regression = next((width for name, width in widths.items() if name.startswith("regression")), None)
    claims = [Fact("regression is narrower than the original by more than 20 %",
                   None if regression is None else regression < 0.8)]
    claims += [Fact(f"{name} is within 10 % of it", abs(width - 1) < 0.1)
               for name, width in widths.items() if not name.startswith("regression")]
    return Section([table], {"figure-A.3.png": lambda output: plot_distributions(
        read(files, None, titles, most=3), output)}, claims)


#: The panels of Figure A.2.
_PARTS_A_2 = (
    _every_backbone("flavour", "fixed", lambda scale: scale.flavour_labels),
    _every_backbone("vertexing", "fixed", None, "ari", False, heading="adjusted Rand index"),
    _every_backbone("origin", "fixed", None, "balanced_accuracy", False, heading="balanced accuracy"),
)
#: The function of each row.
SECTIONS = {
    "table-1.1": table_1_1,
    "figure-1.2": figure_1_2,
    "figure-1.3": _version_1("labels-v1", "", lambda scale: scale.labels),
    "figure-1.4": _version_1("unseen-v1", "-higgs", lambda scale: scale.unseen_labels),
    "figure-1.5": figure_1_5,
    "figure-1.6": figure_1_6,
    "table-1.3": table_1_3,
    "figure-1.8": figure_1_8,
    "figure-1.9a": _every_backbone("classification", "fine_tuned", lambda scale: scale.labels),
    "figure-1.9b": _every_backbone("cwola", "fine_tuned", lambda scale: scale.signal_v2, "sic_99", False,
                                   "cwola.signal_jets", "ε_S/√ε_B at 99 % rejection"),
    "figure-1.10a": _every_backbone("flavour", "fine_tuned", lambda scale: scale.flavour_labels),
    "figure-1.10b": _every_backbone("vertexing", "fine_tuned", None, "ari", False, heading="adjusted Rand index"),
    "figure-1.10c": _every_backbone("origin", "fine_tuned", None, "balanced_accuracy", False,
                                    heading="balanced accuracy"),
    "figure-A.1a": _every_backbone("classification", "fixed", lambda scale: scale.labels),
    "figure-A.1b": _every_backbone("cwola", "fixed", lambda scale: scale.signal_v2, "sic_99", False,
                                   "cwola.signal_jets", "ε_S/√ε_B at 99 % rejection"),
    "figure-A.2": figure_a_2,
    "figure-A.3": figure_a_3,
}
