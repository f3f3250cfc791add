"""Means and standard deviations over seeds, as text, CSV or Markdown."""

import csv
import io
import math

from kaon_data import DataError

from .groups import check_keys, check_measures, differing_keys, group, show, test_set_warnings

#: The default measures of each objective.
DEFAULT_MEASURES = {
    "classification": ["accuracy", "auc", "cross_entropy"],
    "cwola": ["auc", "sic_half", "sic_99", "sic_max"],
    "vertexing": ["ari", "ari_components", "hubert_arabie", "pair_accuracy"],
    "track_origin": ["balanced_accuracy", "auc", "accuracy"],
    "regression": ["mae", "response", "response_resolution", "resolution"],
    "vqvae": ["valid/reconstruction_loss", "valid/total_loss"],
}
#: Those of all others, as far as the runs have them: the last ones are of generated jets.
_OTHERS = ["valid/total_loss", "w1_pt", "w1_jet_pt", "w1_jet_mass", "w1_count", "w1_efp", "fpd", "kpd", "coverage",
           "mmd"]


def tables(runs, measures=None, by=None):
    """Returns a table (objective, headings, rows) for each objective, and warnings. A cell is the value of a key, a
    number of seeds, or a pair of mean and standard deviation of a measure."""
    result, warnings = [], []
    check_measures(runs, measures or [])
    check_keys(runs, by or [])
    for objective in dict.fromkeys(run.objective for run in runs):
        own = [run for run in runs if run.objective == objective]
        wanted = measures or DEFAULT_MEASURES.get(objective, _OTHERS)
        wanted = [name for name in wanted if any(run.measure(name) is not None for run in own)]
        if not wanted:
            continue
        # Pre-trainings do not have all keys of downstream tasks.
        keys = differing_keys(own) if by is None else [key for key in by if any(key in run.config for run in own)]
        groups, more = group(own, keys)
        warnings += [*more, *test_set_warnings(own)]
        rows = [[*each.values, each.seeds, *(each.summary(name) for name in wanted)] for each in groups]
        result.append((objective, [*keys, "seeds", *wanted], rows))
    if not result:
        raise DataError("no run has a default measure of its objective; choose others with --measure")
    return result, warnings


def as_text(found):
    parts = []
    for objective, heading, rows in found:
        cells = [heading] + [[_text(cell) for cell in row] for row in rows]
        widths = [max(len(row[column]) for row in cells) for column in range(len(heading))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells]
        parts.append("\n".join([objective, *lines]))
    return "\n\n".join(parts) + "\n"


def as_markdown(found):
    parts = []
    for objective, heading, rows in found:
        lines = [heading, ["---"] * len(heading)] + [[_text(cell) for cell in row] for row in rows]
        # Escape bars, which separate cells.
        lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines]
        parts.append("\n".join([f"**{objective}**", "", *lines]))
    return "\n\n".join(parts) + "\n"


def as_csv(found):
    """All objectives in one table with the union of their columns."""
    lines = []
    for objective, heading, rows in found:
        for row in rows:
            line = {"objective": objective}
            for name, cell in zip(heading, row):
                if isinstance(cell, tuple):
                    mean, deviation = cell
                    line[name] = "" if mean is None else repr(mean)
                    line[f"{name}_std"] = "" if deviation is None else repr(deviation)
                else:
                    line[name] = "" if cell is None else show(cell)
            lines.append(line)
    columns = list(dict.fromkeys(name for line in lines for name in line))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return buffer.getvalue()


def _text(cell):
    return number(*cell) if isinstance(cell, tuple) else show(cell)


def number(mean, deviation):
    """Formats `0.7213 ± 0.0041`: the deviation with two significant digits, the mean with as many decimals; with
    exponents above six decimals."""
    if mean is None:
        return "–"
    if deviation is None or not math.isfinite(mean) or not math.isfinite(deviation):
        return f"{mean:.4g}"
    if deviation == 0:
        return f"{mean:.4g} ± 0"
    digits = max(0, 1 - math.floor(math.log10(deviation)))
    if digits > 6:
        # Six decimals would show zeros.
        places = digits + math.floor(math.log10(abs(mean))) if mean else 1
        return f"{mean:.{max(1, min(6, places))}e} ± {deviation:.1e}"
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}"
