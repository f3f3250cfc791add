"""The results book: the list of runs, its order, and running it."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import makers
import numpy as np
import pytest
from run_folders import write_predictions

from kaon_book import slurm
from kaon_book.rows import ROWS, Book, select
from kaon_book.runs import STAGES, recipe
from kaon_book.scales import PAPER, SMALL
from kaon_book.schedule import plan
from kaon_data import DataError

ROOT = Path(__file__).parents[2]
#: A kaon that writes what the book looks for, and fails or waits where a file says so.
PROGRAM = r"""#!/bin/bash
base=$(dirname "$0") folder= previous=
for word in "$@"; do
    case $word in run.directory=*) folder=${word#run.directory=} ;; esac
    if [[ $previous == --output ]]; then folder=${word%/*}; fi
    previous=$word
done
if [[ -e $base/wait ]]; then
    trap 'exit 75' USR1
    touch "$base/started"
    while true; do sleep 0.05; done
fi
echo "$folder" >>"$base/calls"
if [[ $1 == evaluate ]]; then
    mkdir -p "$folder/evaluation"
    cp "$base/predictions.h5" "$base/metrics.json" "$folder/evaluation"
fi
if [[ -e $base/fail && $folder == *$(<"$base/fail")* ]]; then
    echo "Error: no weights in this file"
    exit 3
fi
"""


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "jets"
    folder.mkdir()
    for name in ("train", "val", "test", "btag_train", "btag_valid", "btag_test"):
        (folder / f"{name}.h5").touch()
    return folder


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "bin/kaon"
    path.parent.mkdir()
    path.write_text(PROGRAM)
    path.chmod(0o755)
    rng = np.random.default_rng(0)
    values = {"jet_pt": rng.uniform(500, 800, 300), "jet_mass": rng.uniform(20, 180, 300)}
    write_predictions(path.parent / "predictions.h5", **values, **{
        f"decoded_{name}": each * factor for (name, each), factor in zip(values.items(), (1.01, 0.9))})
    (path.parent / "metrics.json").write_text('{"measures": {"total_loss": 1}}')
    return path


def reproduce(data, program, *words, runs=None):
    runs = runs or data.parent / "runs"
    return subprocess.run(
        ["bash", str(ROOT / "scripts/reproduce.sh"), f"data={data}", f"runs={runs}", *words], capture_output=True,
        text=True, timeout=600, env={**os.environ, "KAON": str(program), "PYTHON": sys.executable})


def calls(program):
    return [line.partition("/runs/")[2] for line in (program.parent / "calls").read_text().splitlines()]


@pytest.mark.parametrize("scale", [SMALL, PAPER], ids=lambda scale: scale.name)
def test_runs_follow_those_that_they_need(scale, data, tmp_path):
    book = Book(scale, data, tmp_path / "runs")
    seen = set()
    for run in book.ordered():
        assert set(run.needs) <= seen and run.stage in STAGES
        assert all(STAGES.index(book.runs[name].stage) <= STAGES.index(run.stage) for name in run.needs)
        seen.add(run.name)
    assert seen == set(book.runs)
    assert all(book.of_row(row.name) for row in ROWS if row.name != "figure-1.6")


def test_the_first_seed_of_every_row_comes_before_the_second_of_any(data, tmp_path):
    order = Book(SMALL, data, tmp_path / "runs").ordered()
    last = max(place for place, run in enumerate(order) if run.stage == "downstream" and run.seed == 0)
    first = min(place for place, run in enumerate(order) if run.stage == "downstream" and run.seed == 1)
    assert last < first


def test_every_configuration_exists_and_every_downstream_run_has_five_seeds(data, tmp_path):
    book = Book(SMALL, data, tmp_path / "runs")
    seeds = {}
    for run in book.runs.values():
        if run.command in ("pretrain", "finetune"):
            text = Path(run.subject).read_text()
            for section in ("hidden", "decoder", "kmeans"):
                # An override of a key that the configuration does not have is an error of kaon.
                assert f"{section}:" in text or not any(f".{section}" in word.partition("=")[0] and word[0] != "~"
                                                        for word in run.overrides), run.name
            assert run.overrides[-1] == f"seed={run.name.rpartition('-')[2]}" or run.stage == "tokenizers"
        if run.stage == "downstream":
            seeds.setdefault(run.name.rpartition("/")[0], set()).add(run.seed)
    by_row = {name: len(found) for name, found in seeds.items()}
    assert by_row["downstream/classification/mpmv2-flow/fine_tuned/jets-100"] == 5
    assert set(by_row.values()) == {5}


def test_numbers_select_rows():
    assert [row.name for row in select(["1.3"])] == ["figure-1.3", "table-1.3"]
    assert [row.name for row in select(["figure-1.3"])] == ["figure-1.3"]
    assert [row.name for row in select(["1.9", "table-1.1"])] == ["table-1.1", "figure-1.9a", "figure-1.9b"]
    assert [row.name for row in select(["A.1b"])] == ["figure-A.1b"]
    with pytest.raises(DataError, match=r"only=1\.7: the book has no such row; rows are table-1\.1, figure-1\.2"):
        select(["1.7"])


def test_rows_share_runs(data, tmp_path):
    book = Book(SMALL, data, tmp_path / "runs")
    shared = book.runs["downstream/classification/mpmv2-kmeans/fixed/jets-10000/seed-0"]
    assert shared.rows == ["table-1.3", "figure-A.1a"]
    assert "figure-A.2" in book.runs["backbones/mpmv2-flow/seed-0"].rows
    parts = [Book(SMALL, data, tmp_path / "runs", [row.name]).runs for row in ROWS]
    assert {name for part in parts for name in part} == set(book.runs)


def test_the_plan_has_the_sums(data, tmp_path):
    book = Book(SMALL, data, tmp_path / "runs", ["table-1.1", "1.2"])
    lines = plan(book.ordered(), book.folder).splitlines()
    names = [line.split()[0] for line in lines[1:-1]]
    assert sorted(names) == ["all", "figure-1.2", "table-1.1"]
    total = lines[-2].split()
    assert total[1:4] == [str(len(book.runs)), "0", f"{sum(run.steps for run in book.runs.values()):,}"]
    assert total[1:3] == ["82", "0"] and total[3] == f"{1500 + 40 * 4000 + 40 * 600:,}"
    assert lines[-1].startswith("Rows share runs. 82 runs are left")


def test_the_whole_book_fits_two_cores_for_three_hours(data, tmp_path):
    assert sum(run.seconds for run in Book(SMALL, data, tmp_path / "runs").runs.values()) < 6 * 3600


def test_finished_runs_are_skipped(data, program):
    first = reproduce(data, program, "only=1.2")
    assert first.returncode == 0, first.stderr
    assert calls(program) == ["tokenizers/vqvae-v1", "samples/vqvae-v1"]
    assert "[2/2, 0.0 h left] samples/vqvae-v1" in first.stderr
    page = (data.parent / "runs/results.md").read_text()
    assert re.search(r"\| jet_mass \| ([\d.]+) \| [\d.]+ \| 0\.900 \|", page)
    assert "**Partly reproduced.** 1 of 2 statements holds. Contradicted: the median of jet mass is within 2 %" in page
    assert (data.parent / "runs/figures/results/figure-1.2.png").stat().st_size > 10_000
    assert "runs are finished.**" not in page
    again = reproduce(data, program, "only=1.2")
    assert again.returncode == 0 and "2 of 2 runs are finished" in again.stderr
    assert len(calls(program)) == 2


def test_a_failing_run_leaves_the_others_going(data, program):
    (program.parent / "fail").write_text("backbones/mpmv1-vqvae-none/seed-0")
    ended = reproduce(data, program, "only=table-1.1")
    assert ended.returncode == 1
    assert "backbones/mpmv1-vqvae-none/seed-0: failed with exit code 3:\n    Error: no weights in this file" in \
        ended.stderr
    assert "79 of 81 runs are finished" in ended.stderr
    assert "failed: backbones/mpmv1-vqvae-none/seed-0, see " in ended.stderr
    assert ("not started, because a run that they need failed: 1 runs: "
            "downstream/linear/mpmv1-vqvae-none/fixed/jets-10000/seed-0") in ended.stderr
    (program.parent / "fail").unlink()
    again = reproduce(data, program, "only=table-1.1")
    assert again.returncode == 0 and len(calls(program)) == 80 + 2


def test_a_stopped_book_continues(data, program):
    (program.parent / "wait").touch()
    runs = data.parent / "runs"
    process = subprocess.Popen(
        ["bash", str(ROOT / "scripts/reproduce.sh"), f"data={data}", f"runs={runs}", "only=1.2"],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "KAON": str(program), "PYTHON": sys.executable})
    while not (program.parent / "started").exists():
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, text = process.communicate(timeout=60)
    assert process.returncode == 75
    assert "stopped: 0 of 2 runs are finished; the same command continues" in text
    (program.parent / "wait").unlink()
    assert reproduce(data, program, "only=1.2").returncode == 0


@pytest.mark.parametrize("words, repeated", [
    (["optimizer.learning_rate=1.0e-4"], ["tokenizers/vqvae-v1", "samples/vqvae-v1"]),
    (["parallel.precision=fp32"], []),
])
def test_changed_runs_are_repeated_with_all_that_follow(words, repeated, data, tmp_path, monkeypatch):
    folder = tmp_path / "runs"
    for run in Book(SMALL, data, folder, ["1.2"]).runs.values():
        run.prepare(folder)
        (run.result(folder) / "checkpoints").mkdir()
        run.mark(folder)
    old = SMALL.pretraining
    monkeypatch.setattr(type(SMALL), "pretraining", lambda *arguments: [*old(*arguments[1:]), *words])
    changed = Book(SMALL, data, folder, ["1.2"])
    assert [run.name for run in changed.ordered() if not run.is_finished(folder)] == repeated
    for name in repeated:
        changed.runs[name].prepare(folder)
        assert not (folder / name / "checkpoints").exists() and (folder / "replaced" / name / "checkpoints").exists()


def test_a_stopped_run_that_has_changed_starts_anew_under_slurm_too(data, program):
    folder = data.parent / "runs"
    run = Book(SMALL, data, folder, ["1.2"]).runs["tokenizers/vqvae-v1"]
    run.prepare(folder)
    for settings in ("of another time", "of a third"):
        (folder / run.name / "recipe").write_text(settings)
        sbatch = program.parent / "sbatch"
        sbatch.write_text("#!/bin/bash\necho 1\n")
        sbatch.chmod(0o755)
        ended = subprocess.run(
            ["bash", str(ROOT / "scripts/reproduce.sh"), f"data={data}", f"runs={folder}", "only=1.2", "--slurm"],
            capture_output=True, text=True, timeout=120,
            env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHON": sys.executable})
        assert ended.returncode == 0, ended.stderr
        assert (folder / run.name / "recipe").read_text().strip() == run.recipe
    replaced = folder / "replaced/tokenizers"
    assert [(replaced / name / "recipe").read_text() for name in ("vqvae-v1", "vqvae-v1-2")] == \
        ["of another time", "of a third"]


def test_comments_of_a_configuration_are_not_part_of_a_recipe(tmp_path):
    path, other = tmp_path / "a.yaml", tmp_path / "b.yaml"
    path.write_text("seed: 0\n")
    other.write_text("# a comment\nseed: 0\n")
    assert recipe("pretrain", path, [], []) == recipe("pretrain", other, [], [])
    assert recipe("pretrain", path, [], []) != recipe("pretrain", path, ["seed=1"], [])
    changed = tmp_path / "c.yaml"
    changed.write_text("seed: 1\n")
    assert recipe("pretrain", path, [], []) != recipe("pretrain", changed, [], [])


@pytest.mark.parametrize("words, sentence", [
    (["only=1.7"], "reproduce: only=1.7: the book has no such row; rows are table-1.1, "),
    (["seeds=3"], "reproduce: 'seeds=3' is neither one of --plan, --slurm, --page nor key=value with one of the keys "),
    (["scale=large"], "reproduce: scale=large is unknown; scales are small, paper"),
    (["parallel=0"], "reproduce: parallel=0 is not a whole number of at least 1"),
])
def test_wrong_words_get_a_sentence(words, sentence, data, program):
    ended = reproduce(data, program, *words)
    assert ended.returncode == 2 and ended.stderr.startswith(sentence) and ended.stderr.count("\n") == 1
    assert not (data.parent / "runs").exists()


def test_missing_jets_get_a_sentence(data, program):
    (data / "btag_train.h5").unlink()
    ended = reproduce(data, program)
    assert ended.returncode == 2
    assert f"{data} has neither btag_train.h5 nor a folder btag/train; give data=FOLDER" in ended.stderr


def test_slurm_gets_an_array_for_each_configuration_and_stages_wait(data, program):
    sbatch = program.parent / "sbatch"
    sbatch.write_text('#!/bin/bash\nbase=$(dirname "$0")\nprintf "%s|" "$@" >>"$base/jobs"\necho >>"$base/jobs"\n'
                      'wc -l <"$base/jobs"\n')
    sbatch.chmod(0o755)
    runs = data.parent / "runs"
    ended = subprocess.run(
        ["bash", str(ROOT / "scripts/reproduce.sh"), f"data={data}", f"runs={runs}", "only=1.2,table-1.1", "--slurm"],
        capture_output=True, text=True, timeout=120,
        env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHON": sys.executable})
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "submitted 82 runs in 11 job arrays, and a job that writes the page\n"
    jobs = [line.split("|") for line in (program.parent / "jobs").read_text().splitlines()]
    assert len(jobs) == 12 and jobs[0][1] == "--array=1-1" and "afterany" not in "".join(jobs[0])
    assert jobs[1][1] == "--dependency=afterany:1" and jobs[1][2] == "--array=1-5"
    assert jobs[-1][1] == "--dependency=afterany:" + ":".join(map(str, range(1, 12)))
    assert jobs[-1][-2].endswith("only=1.2,table-1.1 --page")
    probes = next(job for job in jobs if job[-2].endswith("linear-probe.yaml"))
    assert "--array=1-40" in probes
    line = Path(probes[-4]).read_text().splitlines()[0]
    assert f"run.directory={runs}/downstream/linear/" in line and "backbone_mode=fixed" in line


def test_slurm_takes_any_names_of_folders(data, program, tmp_path, monkeypatch):
    root, here = tmp_path / "kaon's root", tmp_path / "two words"
    for folder in (root, here):
        folder.mkdir()
    for name in ("python", "scripts"):
        (root / name).symlink_to(ROOT / name)
    sbatch = program.parent / "sbatch"
    sbatch.write_text('#!/bin/bash\nprintf "%s|" "$@" >>"$0.jobs"\necho >>"$0.jobs"\necho 1\n')
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "ROOT", root)
    monkeypatch.chdir(here)
    jets = data.rename(here / "jets'")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    slurm.submit(Book(SMALL, jets, "runs/book", ["1.2"]), ["data=jets'", "only=1.2"])
    *jobs, page = [line.split("|")[:-1] for line in Path(f"{sbatch}.jobs").read_text().splitlines()]

    # The words of the first line, as a job reads them.
    read = subprocess.run(
        ["bash", "-euc", 'source scripts/jobs.sh; read_overrides "$1" 1 ""; printf "%s\n" "${overrides[@]}"', "bash",
         jobs[0][-3]], capture_output=True, text=True, cwd=root)
    assert f"run.directory={here}/runs/book/tokenizers/vqvae-v1" in read.stdout.splitlines(), read.stderr

    assert f"PYTHONPATH={root / 'python'}:/elsewhere" in shlex.split(page[-1].removeprefix("--wrap="))
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    ended = subprocess.run(["sh", "-c", page[-1].removeprefix("--wrap=")], capture_output=True, text=True, cwd=root,
                           env=environment)
    assert ended.returncode == 0, ended.stderr
    assert (here / "runs/book/results.md").exists() and not (root / "runs").exists()


def finish(book, accuracies):
    """Writes the results of the runs whose names contain a key of `accuracies`."""
    for run in book.runs.values():
        for name, accuracy in accuracies.items():
            if name in run.name:
                folder = run.result(book.folder) / "evaluation"
                folder.mkdir(parents=True)
                measures = {"accuracy": accuracy + 0.001 * run.seed}
                (folder / "metrics.json").write_text(json.dumps({"measures": measures}))
                run.mark(book.folder)


def test_every_row_has_its_section():
    from kaon_book.sections import SECTIONS

    assert set(SECTIONS) == {row.name for row in ROWS}


def test_the_page_has_means_verdicts_and_what_is_missing(data, tmp_path):
    from kaon_book.page import write_page

    book = Book(SMALL, data, tmp_path / "runs", ["table-1.1"])
    finish(book, {"linear/mpmv1-vqvae-head": 0.4, "linear/mpmv1-vqvae-none": 0.4005, "linear/mpmv1-regression": 0.3,
                  "linear/mpmv1-vqvae-backbone": 0.45})
    text = write_page(book, tmp_path / "docs").read_text()
    assert "| continuous | VQ-VAE | head | 40.20 ± 0.16 | 56.8 |" in text
    assert "| continuous | k-means | head | – | 56.2 |" in text
    assert "**25 of 81 runs are finished.**" in text
    flat = " ".join(text.split())
    assert "**Partly reproduced.** 1 of 5 statements holds. Not significant: the position in the head is better " \
        "than none; for regression, the position in the head is better than in the backbone. Contradicted: the " \
        "position in the head is better than in the backbone; no position is better than one in the backbone." in flat
    assert "| partly reproduced (25 of 81 runs) |" in text
    assert "although 5 downstream runs share 3 backbones of each kind (5 in Tables 1.1 and 1.3 and Figure 1.8)" in flat
    assert all(len(line) <= 120 for line in text.splitlines() if not line.startswith("|"))


def test_the_page_names_every_table_and_figure_of_the_chapter(data, tmp_path, monkeypatch):
    from kaon_book import page

    monkeypatch.setitem(page.SECTIONS, "figure-1.6", lambda results, row: page.SECTIONS["table-1.1"](results, row))
    text = page.write_page(Book(SMALL, data, tmp_path / "runs"), tmp_path).read_text()
    summary = text.split("## ")[1]
    for name in ("Table 1.1", "Table 1.2", "Table 1.3", *(f"Figure 1.{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8)),
                 "Figure 1.9a", "Figure 1.9b", "Figure 1.10a", "Figure 1.10b", "Figure 1.10c", "Figure A.1a",
                 "Figure A.1b", "Figure A.2", "Figure A.3"):
        assert re.search(rf"^\| \[?{re.escape(name)}[\] ]", summary, re.M), name
    anchors = set(re.findall(r"\(#([^)]+)\)", summary))
    made = {re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^## (.*)", text, re.M)}
    assert anchors <= made


def test_figure_1_6_of_packed_files(run, sources, tmp_path):
    pytest.importorskip("mplhep")
    from kaon_book.sections import figure_1_6

    folder = tmp_path / "data"
    (folder / "btag").mkdir(parents=True)
    (folder / "train").symlink_to(run(sources))
    btag = makers.write_root(tmp_path / "btag.root", makers.btag_arrays(30))
    (folder / "btag" / "train").symlink_to(run(btag, "btag", "btag"))
    section = figure_1_6(SimpleNamespace(book=SimpleNamespace(data=folder)), None)
    assert [row[0] for row in section.tables[0]] == ["data set", "JetClass", "BTag"]
    assert section.tables[0][2][3] == "0.0" and len(section.claims) == 2
    section.figures["figure-1.6.png"](tmp_path / "figure.png")
    assert (tmp_path / "figure.png").exists()
