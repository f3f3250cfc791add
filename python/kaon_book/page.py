"""Writes results.md and its figures from the finished runs."""

import os
import sys
import textwrap

from PIL import Image

from kaon_data import DataError

from .claims import OPPOSITE, SPREAD, verdict
from .results import Results
from .rows import ROWS
from .sections import SECTIONS, btag_figure
from .thesis import OTHERS, STATEMENTS

_HEAD = """# Results: the thesis, table by table

The thesis is the doctoral thesis whose chapter "Foundation Models in High Energy Physics" unites the papers on masked
particle modelling, [arXiv:2401.13537](https://arxiv.org/abs/2401.13537) (version 1) and
[arXiv:2409.12589](https://arxiv.org/abs/2409.12589) (version 2). Every table and figure of the chapter and of its
appendix, made by one command:

    bash scripts/reproduce.sh data=FOLDER --plan
    bash scripts/reproduce.sh data=FOLDER output=docs

The command writes this page. It skips finished runs and continues stopped ones; runs whose settings have changed, and
those that follow from them, are repeated, and the former ones are kept in the folder `replaced` of the runs.
`only=1.9,table-1.1` selects rows, `--page` only writes the page, `scale=paper` takes the configurations of the paper,
and `--slurm` submits the runs as job arrays. FOLDER has `train.h5`, `val.h5`, `test.h5` (JetClass) and
`btag_train.h5`, `btag_valid.h5`, `btag_test.h5`, or folders `train`, `val`, `test` and `btag/train`, `btag/val`,
`btag/test`. The test jets are used once, for the numbers below; validation jets select checkpoints. Numbers are means ±
standard deviations over seeds. A statement *holds* if the difference of the means is significant at 95 % (Welch's
t-test), is *not significant* if it is not, and is *contradicted* if the difference of the other sign is significant. A
result is *inconclusive* if none of its statements is significant either way.
"""
_CAVEAT = (
    "The test treats seeds as independent, although {seeds} downstream runs share {backbones} of each kind "
    "({compared} in Tables 1.1 and 1.3 and Figure 1.8); its level is not corrected for the number of statements, and "
    "all rows use the same test jets.")
_SMALL = """
The scale is `small`: about five hours of one core in all, for jets made with PYTHIA 8 and a parametrised detector in
the form of JetClass and of the BTag set, 168,678 and 42,071 for training, 5,381 and 4,508 for the tests. Encoders have
three layers with 64 channels (the thesis: eight with 512 or 1024). Pre-training takes 4,000 steps of 32 jets; 32,000
for Figures 1.3 to 1.5; 16,000 for Figures 1.9, 1.10 and A and the last row of Table 1.3; in bf16. Orderings are
comparable with the thesis, accuracies are not. There are five backbones of each kind where ways of pre-training are
compared (Tables 1.1 and 1.3, Figure 1.8); elsewhere three, and five downstream runs, on the three backbones in turn.
The fourth and fifth, where there are five, were added after the test results of the first three had been seen, since
most differences were not significant.
"""


def write_page(book, output):
    """Writes OUTPUT/results.md and OUTPUT/figures/results; returns the path of the page."""
    results = Results(book)
    figures = output / "figures" / "results"
    try:
        figures.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"output={output} is not a folder that can be written: {error.strerror}") from error
    parts, summary = [], []
    for row in book.rows:
        text, line = _section(results, row, figures)
        parts.append(text)
        summary.append(line)
    done, wanted = len(results.finished), len(book.runs)
    state = "" if done == wanted else (
        f"\n**{done} of {wanted} runs are finished.** Sections say how many of theirs are; the same command "
        "continues.\n")
    head = _HEAD + _caveat(book.scale) + (_SMALL if book.scale.is_small else "") + state
    text = head + "\n## Summary\n\n" + _summary(book, summary) + "\n" + "\n".join(parts)
    path = output / "results.md"
    temporary = path.with_suffix(".md.new")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
    return path


def _caveat(scale):
    backbones = "one backbone" if scale.backbone_seeds == 1 else f"{scale.backbone_seeds} backbones"
    text = _CAVEAT.format(seeds=scale.seeds, backbones=backbones, compared=scale.compared_seeds)
    return "\n" + "\n".join(_wrapped([text])) + "\n"


def title(row):
    kind, _, number = row.name.partition("-")
    return f"{kind.capitalize()} {number}"


def _summary(book, lines):
    table = [["", "the thesis says", "we see"], *lines]
    if len(book.rows) == len(ROWS):
        table += [[name, *words] for name, words in OTHERS.items()]
    return _table(table)


def _section(results, row, figures):
    says, sentence = STATEMENTS[row.name]
    section = SECTIONS[row.name](results, row)
    found = verdict(section.claims)
    done, wanted = results.count(row.name)
    lines = [f"## {title(row)}: {row.title}", "", f"    bash scripts/reproduce.sh data=FOLDER only={row.name}", "",
             f"{_budget(results, row)}.{_state(done, wanted)}", ""]
    for table in section.tables:
        lines += [_table(table)]
    drawn = dict(section.figures)
    if row.name == "figure-1.10a" and "figure-1.10a.png" in drawn and len(results.book.rows) == len(ROWS):
        drawn = {"figure-1.10.png": lambda output: btag_figure(results, output)}
    for name, draw in drawn.items():
        try:
            draw(figures / name)
        except DataError as error:
            print(f"reproduce: {name} is not drawn: {error}", file=sys.stderr)
            continue
        _shrink(figures / name)
        lines += [f"![{title(row)}](figures/results/{name})", ""]
    reason = sentence if results.book.scale.is_small else ""
    lines += [f"The thesis: {says}", "", f"**{found.capitalize()}.** {_claims(section.claims)}{reason}".rstrip(), ""]
    counted = f" ({done} of {wanted} runs)" if done < wanted else ""
    return "\n".join(_wrapped(lines)), [f"[{title(row)}](#{_anchor(row)})", says, f"{found}{counted}"]


def _shrink(path):
    """Reduces a figure to 64 colours, which makes its file several times smaller."""
    with Image.open(path) as image:
        image.convert("RGB").quantize(64).save(path, optimize=True)


def _budget(results, row):
    runs = results.book.of_row(row.name)
    words = []
    for stage, name in (("backbones", "pre-training runs"), ("downstream", "downstream runs")):
        some = [run for run in runs if run.stage == stage]
        if some:
            words.append(f"{len(some)} {name} of {_range([run.steps for run in some])} steps of "
                         f"{_range([run.batch for run in some])} jets")
    return "; ".join(words) or "No backbone is trained"


def _range(values):
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _state(done, wanted):
    return f" **{done} of {wanted} runs are finished.**" if done < wanted else ""


def _claims(claims):
    known = [claim for claim in claims if claim.state is not None]
    if not known:
        return ""
    holds = [claim for claim in known if claim.state not in (SPREAD, OPPOSITE)]
    text = f"{len(holds)} of {len(known)} statements {'holds' if len(holds) == 1 else 'hold'}. "
    for state in (SPREAD, OPPOSITE):
        some = [claim.text for claim in known if claim.state == state]
        if some:
            more = f"; and {len(some) - 6} more" if len(some) > 6 else ""
            text += f"{state.capitalize()}: {'; '.join(some[:6])}{more}. "
    return text


def _anchor(row):
    kept = "".join(each for each in f"{title(row)}: {row.title}".lower() if each.isalnum() or each in " -")
    return kept.replace(" ", "-")


def _table(rows):
    rows = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _wrapped(lines):
    for line in lines:
        if line.startswith(("|", "#", "    ", "!")):
            yield line
        else:
            yield from textwrap.wrap(line, 120, break_long_words=False, break_on_hyphens=False) or [""]
