"""Tables of results from run folders."""

import csv
import io
import json

import pytest
import yaml
from run_folders import make_run

from kaon_data import DataError
from kaon_results import find_runs
from kaon_results.cli import main


@pytest.fixture
def sweep(tmp_path):
    """Two modes × two numbers of jets × three seeds; accuracies 0.5, 0.6, 0.7, increasing by 0.01 per seed."""
    for mode, first in (("fine_tuned", 0.5), ("scratch", 0.7)):
        for jets in (100, 1000):
            for seed in range(3):
                value = first + (0.1 if jets == 1000 else 0) + 0.01 * seed
                make_run(tmp_path / "runs" / mode / str(jets) / f"seed-{seed}", {"accuracy": value, "auc": 0.9},
                         mode=mode, jets=jets, seed=seed)
    return tmp_path / "runs"


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_means_and_deviations_over_seeds(sweep, capsys):
    assert main([str(sweep), "--format", "csv"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    found = {(row["backbone_mode"], row["data.jets"]): row for row in rows(said.out)}
    assert len(found) == 4
    row = found["scratch", "1000"]
    assert (row["seeds"], row["objective"]) == ("3", "classification")
    assert float(row["accuracy"]) == pytest.approx(0.81)
    assert float(row["accuracy_std"]) == pytest.approx(0.01)
    assert float(row["auc_std"]) == pytest.approx(0)
    # In the mode scratch the backbone is omitted; otherwise it has the name of its run.
    assert row["backbone"] == "" and found["fine_tuned", "100"]["backbone"] == "kmeans"


def test_text_and_markdown(sweep, capsys):
    assert main([str(sweep), "--measure", "accuracy"]) == 0
    text = capsys.readouterr().out.splitlines()
    assert text[0] == "classification"
    assert text[1].split() == ["backbone", "backbone_mode", "data.jets", "seeds", "accuracy"]
    assert ["kmeans", "fine_tuned", "100", "3", "0.510", "±", "0.010"] in [line.split() for line in text]
    assert main([str(sweep), "--measure", "accuracy", "--format", "markdown"]) == 0
    assert "| kmeans | fine_tuned | 100 | 3 | 0.510 ± 0.010 |" in capsys.readouterr().out


def test_objectives_have_tables_of_their_own(sweep, capsys):
    make_run(sweep / "v", {"ari": 0.5, "ari_components": 0.4, "pair_accuracy": 0.8}, objective="vertexing")
    make_run(sweep / "pre", {}, objective="mpm_v2", evaluated=False, mode=None, backbone=None)
    assert main([str(sweep)]) == 0
    out = capsys.readouterr().out
    assert "ari_components" in out and "valid/total_loss" in out
    assert main([str(sweep), "--measure", "ari"]) == 0
    assert "classification" not in capsys.readouterr().out


def test_where_chooses_runs(sweep, capsys):
    assert main([str(sweep), "--where", "backbone=none", "--where", "data.jets=100,200", "--format", "csv"]) == 0
    (row,) = rows(capsys.readouterr().out)
    assert float(row["accuracy"]) == pytest.approx(0.71)
    assert main([str(sweep), "--where", "backbone=kmeans", "--format", "csv"]) == 0
    assert len(rows(capsys.readouterr().out)) == 2


def test_keys_of_the_pretraining(tmp_path, capsys):
    for fraction in (0.3, 0.4):
        make_run(tmp_path / f"runs/{fraction}", {"accuracy": fraction}, backbone=f"runs/{fraction}/checkpoints/latest",
                 backbone_configuration__masking__fraction=fraction)
    make_run(tmp_path / "runs/scratch", {"accuracy": 0.1}, mode="scratch",
             backbone_configuration__masking__fraction=0.3)
    assert main([str(tmp_path), "--by", "backbone.masking.fraction", "--format", "csv"]) == 0
    assert [(row["backbone.masking.fraction"], row["accuracy"]) for row in rows(capsys.readouterr().out)] == [
        ("", "0.1"), ("0.3", "0.3"), ("0.4", "0.4")]
    # By default the backbone itself is the column.
    assert main([str(tmp_path), "--where", "backbone.masking.fraction=0.3,0.4", "--format", "csv"]) == 0
    assert list(rows(capsys.readouterr().out)[0])[:4] == ["objective", "backbone", "seeds", "accuracy"]
    old = make_run(tmp_path / "old", {"accuracy": 0.5})
    assert main([str(old), "--by", "backbone.masking.fraction"]) == 1
    assert "no config.yaml contains a backbone_configuration" in capsys.readouterr().err


def test_keys_of_how_a_run_was_made_can_be_named(sweep, capsys):
    assert main([str(sweep), "--where", "seed=1", "--by", "seed,backbone_mode", "--format", "csv"]) == 0
    found = rows(capsys.readouterr().out)
    assert [(row["seed"], row["backbone_mode"], row["seeds"]) for row in found] == [
        ("1", "fine_tuned", "1"), ("1", "scratch", "1")]
    assert main([str(sweep), "--where", "seed=7"]) == 1
    assert "values of seed: 0, 1, 2" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["precision", "reduce_precision"])
def test_precisions_are_not_averaged(tmp_path, capsys, key):
    for value, accuracy in (("fp32", 0.6), ("bf16", 0.5)):
        make_run(tmp_path / value, {"accuracy": accuracy}, **{f"parallel__{key}": value})
    for options in [[], ["--by", f"parallel.{key}"]]:
        assert main([str(tmp_path), "--format", "csv", *options]) == 0
        said = capsys.readouterr()
        found = {row[f"parallel.{key}"]: row["accuracy"] for row in rows(said.out)}
        assert found == {"fp32": "0.6", "bf16": "0.5"} and said.err == ""


def test_unlike_runs_are_not_averaged_silently(sweep, capsys):
    assert main([str(sweep), "--by", "backbone_mode"]) == 0
    assert "although data.jets is 100, 1000; --by backbone_mode,data.jets" in capsys.readouterr().err
    make_run(sweep / "again", {"accuracy": 0.5, "auc": 0.5}, mode="fine_tuned", jets=100, seed=0)
    assert main([str(sweep)]) == 0
    assert "the same seed and settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"evaluated": False}, "no evaluation/metrics.json"),
        ({"done": 50}, "50 of 100 steps"),
        ({"done": 0, "evaluated": False}, "0 of 100 steps"),
        # Three validations, the lowest is the second: the patience is not exhausted.
        ({"done": 30, "patience": 2, "losses": [3, 1, 2]}, "30 of 100 steps"),
        ({"done": 40, "patience": 2, "losses": [3, 1, 2, 1]}, None),
        # NaN is not lower.
        ({"done": 30, "patience": 2, "losses": [1, "nan", "nan"]}, None),
        ({"done": 20, "patience": 2, "losses": ["nan", "nan"]}, None),
        ({"done": 100, "patience": 2}, None),
    ],
)
def test_unfinished_runs_are_named_and_do_not_count(tmp_path, capsys, options, reason):
    make_run(tmp_path / "good", {"accuracy": 0.5, "auc": 0.5}, patience=options.get("patience"))
    make_run(tmp_path / "other", {"accuracy": 0.7, "auc": 0.5}, seed=1, **options)
    assert main([str(tmp_path), "--format", "csv", "--measure", "accuracy"]) == 0
    said = capsys.readouterr()
    (row,) = rows(said.out)
    if reason is None:
        assert row["accuracy"] == "0.6" and said.err == ""
    else:
        assert row["accuracy"] == "0.5"
        assert f"unfinished: {tmp_path / 'other'} ({reason}" in said.err


def test_a_vqvae_stops_early_by_its_reconstruction(tmp_path, capsys):
    # The total loss has not fallen for two validations, the reconstruction has fallen or not.
    for name, losses in {"running": [3, 2, 1], "stopped": [1, 2, 3]}.items():
        path = make_run(tmp_path / name, {}, "vqvae", done=30, patience=2, losses=[1, 2, 3], evaluated=False)
        lines = [line.split(",") for line in (path / "metrics.csv").read_text().splitlines()]
        column = lines[0].index("valid/vqvae_loss")
        lines[0][column] = "valid/reconstruction_loss"
        for line in lines[1:]:
            if int(line[0]) % 10 == 0:
                line[column] = str(losses[int(line[0]) // 10 - 1])
        (path / "metrics.csv").write_text("".join(",".join(line) + "\n" for line in lines))
    assert main([str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert f"unfinished: {tmp_path / 'running'} (30 of 100 steps" in said.err
    assert str(tmp_path / "stopped") not in said.err
    heading, values = (line.split() for line in said.out.splitlines()[1:])
    assert heading[-2:] == ["valid/reconstruction_loss", "valid/total_loss"] and values[-2:] == ["3", "3"]


def test_lines_whose_runs_have_not_begun_are_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "labels.txt"
    file.write_text("run.directory=runs/0 seed=0\n\nrun.directory=runs/1 seed=1\nseed=2 'run.directory=my runs/2'\n")
    make_run(tmp_path / "runs/0", {"accuracy": 0.5})
    make_run(tmp_path / "runs/1", {}, seed=1, done=50)
    for folders in ([], ["runs"]):
        assert main([*folders, "--lines", str(file), "--measure", "accuracy", "--format", "csv"]) == 0
        said = capsys.readouterr()
        assert [row["accuracy"] for row in rows(said.out)] == ["0.5"]
        assert said.err.splitlines() == [
            f"kaon-results: not started: my runs/2 (line 4 of {file})",
            "kaon-results: 1 of 3 lines not started",
            "kaon-results: unfinished: runs/1 (50 of 100 steps)",
            "kaon-results: 1 of 2 runs are unfinished and excluded",
        ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n", "has no lines"),
        ("\nseed=1\n", "line 2 of {file} has no run.directory=…"),
        ("run.directory='r\n", "line 1 of {file} has an unmatched quote"),
        ("run.directory=runs/{{seed}}\n", "has words in braces"),
        ("run.directory=runs/0\n", "no run is finished"),
    ],
)
def test_bad_lines_are_said(tmp_path, monkeypatch, capsys, text, message):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "labels.txt"
    file.write_text(text.format(file=file))
    assert main(["--lines", str(file)]) == 1
    error = capsys.readouterr().err.splitlines()
    assert all(line.startswith("kaon-results: ") for line in error) and message.format(file=file) in error[-1]


def test_a_line_that_is_being_written_is_left_out(tmp_path):
    folder = make_run(tmp_path / "run", {"accuracy": 0.5})
    with open(folder / "metrics.csv", "a") as file:
        file.write("105,0,2688")
    (run,) = find_runs([tmp_path])
    assert run.curves["step"][-1] == 100


def test_measures_of_both_files(tmp_path):
    make_run(tmp_path / "run", {"rejection": "inf", "accuracy": 0.5})
    (run,) = find_runs([tmp_path])
    assert run.measure("rejection") == float("inf")
    assert run.measure("valid/accuracy") == 0.6
    assert run.measure("nothing") is None


@pytest.mark.parametrize(("values", "text"), [(["inf", 3.0], "inf"), ([float("nan"), 3.0], "nan")])
def test_what_is_not_finite_is_shown(tmp_path, capsys, values, text):
    for seed, value in enumerate(values):
        make_run(tmp_path / str(seed), {"rejection": value}, seed=seed)
    assert main([str(tmp_path), "--measure", "rejection"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["2", text]


def test_a_table_without_measures_is_said(tmp_path, capsys):
    make_run(tmp_path / "run", {"other": 0.5})
    assert main([str(tmp_path)]) == 1
    assert "choose others with --measure" in capsys.readouterr().err
    assert main([str(tmp_path), "--measure", "other"]) == 0


def test_runs_are_found_once(sweep, tmp_path):
    assert len(find_runs([sweep, sweep / "scratch"])) == 12
    (tmp_path / "link").symlink_to(sweep / "scratch" / "100")
    assert len(find_runs([tmp_path / "link"])) == 3


def test_configurations_of_other_programs_are_no_runs(sweep, tmp_path):
    (sweep / "other").mkdir()
    (sweep / "other" / "config.yaml").write_text("{name: x, seed: [1]}")
    assert len(find_runs([sweep])) == 12
    with pytest.raises(DataError, match="contains no runs"):
        find_runs([sweep / "other"])


def test_links_to_folders_above_are_followed_once(sweep):
    for number in range(12):
        (sweep / f"link-{number}").symlink_to(sweep)
        (sweep / "scratch" / f"link-{number}").symlink_to(sweep)
    assert len(find_runs([sweep])) == 12


def test_keys_of_other_objectives_are_left_out(sweep, tmp_path, capsys):
    make_run(sweep / "pretraining", {}, objective="mpm_v2", backbone=None, mode=None)
    path = sweep / "pretraining" / "config.yaml"
    tree = yaml.safe_load(path.read_text())
    del tree["backbone_mode"]
    path.write_text(yaml.safe_dump(tree))
    assert main([str(sweep), "--by", "backbone_mode,data.jets"]) == 0
    found = capsys.readouterr().out
    assert "backbone_mode  data.jets  seeds" in found and "\ndata.jets  seeds  valid/total_loss" in found


@pytest.mark.parametrize("mean, deviation, text", [
    (0.7213, 0.0041, "0.7213 ± 0.0041"), (-2e-6, 3.1e-7, "-2.00e-06 ± 3.1e-07"),
    (-2e-6, 3.1e-6, "-2.0e-06 ± 3.1e-06"), (-2e-5, 3.1e-5, "-0.000020 ± 0.000031"),
    (0.5, 3e-7, "5.000000e-01 ± 3.0e-07"), (0.0, 1e-9, "0.0e+00 ± 1.0e-09"),
])
def test_small_numbers_are_seen(mean, deviation, text):
    from kaon_results.table import number

    assert number(mean, deviation) == text


def test_backbones_are_told_apart_by_their_folders(tmp_path, capsys):
    for number, path in enumerate(["a/kmeans/checkpoints/best", "b/kmeans/checkpoints/best"]):
        make_run(tmp_path / str(number), {"accuracy": 0.5}, backbone=path)
    assert main([str(tmp_path), "--format", "csv"]) == 0
    assert {row["backbone"] for row in rows(capsys.readouterr().out)} == {"a/kmeans", "b/kmeans"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere is not a folder"),
        (["{empty}"], "contains no runs"),
        (["{sweep}", "--measure", "acuracy"], "no run has the measure acuracy; did you mean accuracy?"),
        (["{sweep}", "--by", "bakbone_mode"], "no run has the key bakbone_mode; did you mean backbone_mode?"),
        (["{sweep}", "--where", "data.jets=7"], "values of data.jets: 100, 1000"),
        (["{sweep}", "--where", "data.jets"], "does not have the form key=value"),
    ],
)
def test_bad_input_is_said(sweep, tmp_path, capsys, arguments, message):
    (tmp_path / "empty").mkdir()
    places = {"sweep": sweep, "empty": tmp_path / "empty"}
    assert main([each.format(**places) for each in arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("kaon-results: ") and message in error and len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("config.yaml", "seed: [1", "config.yaml is not valid YAML"),
        ("config.yaml", "- 1", "is not a configuration of kaon"),
        ("metrics.csv", "step,a\n1\n", "different numbers of columns"),
        ("metrics.csv", "step,a\n1,x\n", "metrics.csv is damaged"),
        ("metrics.csv", "step,a\nnan,1\n", "metrics.csv is damaged: a step is not finite"),
        ("metrics.csv", "step,a\ninf,1\n", "metrics.csv is damaged: a step is not finite"),
        ("config.yaml", "{objective: cwola, training: {steps: many}}", "training.steps is 'many', expected an integer"),
        ("config.yaml", "{objective: cwola, seed: [1]}", "seed is [1], expected an integer"),
        ("evaluation/metrics.json", "{", "metrics.json cannot be read"),
        ("evaluation/metrics.json", "[]", "is not a metrics.json of kaon evaluate"),
        ("evaluation/metrics.json", '{"measures": {"accuracy": "abc"}}', "the measure accuracy is 'abc'"),
    ],
)
def test_damaged_files_are_named(tmp_path, capsys, name, text, message):
    (make_run(tmp_path / "run", {"accuracy": 0.5}) / name).write_text(text)
    assert main([str(tmp_path)]) == 1
    assert message in capsys.readouterr().err


def test_an_evaluation_from_before_the_run_went_on_does_not_count(tmp_path, capsys):
    for name, seed, step in (("good", 0, 100), ("stale", 1, 50)):
        run = tmp_path / name
        make_run(run, {"accuracy": 0.5 + seed, "auc": 0.5}, seed=seed)
        path = run / "evaluation" / "metrics.json"
        report = json.loads(path.read_text()) | {"checkpoint": f"{run}/checkpoints/best", "step": step}
        path.write_text(json.dumps(report))
        (run / "checkpoints").mkdir()
        (run / "checkpoints" / "best").symlink_to("step-00000100.h5")
    assert main([str(tmp_path), "--format", "csv", "--measure", "accuracy"]) == 0
    said = capsys.readouterr()
    (row,) = rows(said.out)
    assert row["accuracy"] == "0.5"
    assert "is from step 50, but best is now step-00000100.h5" in said.err


@pytest.mark.parametrize("link", [True, False])
def test_an_evaluation_of_other_weights_of_the_same_step_does_not_count(tmp_path, capsys, link):
    for name, seed, checksum in (("good", 0, "0f" * 8), ("stale", 1, "1e" * 8), ("unsealed", 2, "1e" * 8)):
        run = tmp_path / name
        make_run(run, {"accuracy": 0.5 + seed, "auc": 0.5}, seed=seed)
        path = run / "evaluation" / "metrics.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {
            "checkpoint": f"{run}/checkpoints/best", "step": 100, "checkpoint_checksum": checksum}))
        (run / "checkpoints").mkdir()
        # A copy of a run may have a file in the place of the link.
        file = run / "checkpoints" / ("step-00000100.h5" if link else "best")
        file.write_text(("kaonseal " + "0f" * 8 + " of 1000 bytes\n") * (name != "unsealed"))
        if link:
            (run / "checkpoints" / "best").symlink_to("step-00000100.h5")
    assert main([str(tmp_path), "--format", "csv", "--measure", "accuracy"]) == 0
    said = capsys.readouterr()
    (row,) = rows(said.out)
    assert row["accuracy"] == "1.5"
    assert f"{tmp_path}/stale (evaluation/metrics.json is from other weights than best has now" in said.err


@pytest.mark.parametrize("source", ["log", "checkpoint"])
def test_the_last_step_of_a_stopped_run_is_named(tmp_path, capsys, source):
    make_run(tmp_path / "good", {"accuracy": 0.5})
    run = make_run(tmp_path / "other", {}, seed=1, steps=4000, done=60, evaluated=False)
    if source == "log":
        with open(run / "kaon.log", "a") as file:
            file.write("2026-01-01T00:00:00Z info: stopped by SIGTERM after 72 of 4000 steps\n")
    else:
        (run / "checkpoints").mkdir()
        (run / "checkpoints" / "step-00000072.h5").touch()
    assert main([str(tmp_path)]) == 0
    assert f"unfinished: {run} (72 of 4000 steps)" in capsys.readouterr().err


def test_all_keys_in_which_pretrainings_differ_are_shown(tmp_path, capsys):
    for number in range(2):
        make_run(tmp_path / str(number), {}, objective="mpm_v2", evaluated=False, mode=None, backbone=None,
                 masking__fraction=0.3 + number / 10, optimizer__learning_rate=0.1 + number)
    assert main([str(tmp_path), "--format", "csv"]) == 0
    found = rows(capsys.readouterr().out)
    assert [(row["masking.fraction"], row["optimizer.learning_rate"]) for row in found] == [
        ("0.3", "0.1"), ("0.4", "1.1")]


def test_test_files_are_those_of_the_evaluation(tmp_path, capsys):
    for number, name in enumerate(["a.h5", "b.h5"]):
        path = make_run(tmp_path / str(number), {"accuracy": 0.5}, data__test=["a.h5"]) / "evaluation" / "metrics.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"test": [name]}))
    assert main([str(tmp_path), "--by", "data.test", "--format", "csv"]) == 0
    assert sorted(row["data.test"] for row in rows(capsys.readouterr().out)) == ["[a.h5]", "[b.h5]"]


@pytest.mark.parametrize("change", [{"test": ["b.h5"]}, {"jets": 400}])
def test_different_test_sets_are_reported(tmp_path, capsys, change):
    for number in range(2):
        path = make_run(tmp_path / str(number), {"accuracy": 0.5}, seed=number) / "evaluation" / "metrics.json"
        report = json.loads(path.read_text()) | {"test": ["a.h5"]} | (change if number else {})
        path.write_text(json.dumps(report))
    assert main([str(tmp_path)]) == 0
    error = capsys.readouterr().err
    assert "different test sets" in error
    assert f"{tmp_path / '1'} on {report['test'][0]} ({report['jets']} jets)" in error


def test_provenance(tmp_path, capsys):
    old = make_run(tmp_path / "a", {"accuracy": 0.5})
    new = make_run(tmp_path / "b", {"accuracy": 0.5}, done=50)
    header = ("# kaon: 0.1.0\n# commit: 1a2b (modified)\n# command: kaon finetune c.yaml 'data.test=[a: b.h5]'\n"
              "# host: node7\n# started: 2026-01-01T00:00:00Z\n")
    (new / "config.yaml").write_text(header + (new / "config.yaml").read_text())
    assert main([str(tmp_path), "--provenance"]) == 0
    text = capsys.readouterr().out
    assert f"{old}\n  unknown: written by an earlier version of kaon\n\n{new}\n" in text
    assert "  commit     1a2b (modified)\n  command    kaon finetune c.yaml 'data.test=[a: b.h5]'\n" in text
    assert main([str(tmp_path), "--provenance", "--format", "csv", "--where", "training.steps=100"]) == 0
    found = {row["run"]: row for row in rows(capsys.readouterr().out)}
    assert found[str(old)]["commit"] == "" and found[str(new)]["host"] == "node7"
    assert found[str(new)]["objective"] == "classification"
    assert [run.provenance.get("started") for run in find_runs([tmp_path])] == [None, "2026-01-01T00:00:00Z"]
    # The comments change nothing else.
    assert find_runs([new])[0].objective == "classification"
