"""Rows of runs arrive at Weights & Biases (offline) and MLflow (a local store) once, in the real packages."""

import json
import math
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from run_folders import make_run

from kaon_results.follow import main

PACKAGE = Path(__file__).resolve().parents[1]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A clean folder in which nothing goes to the network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "mlruns"))
    # The store of mlflow-skinny; databases need the whole package.
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE))
    yield tmp_path
    # wandb keeps the settings of its first run in a process.
    if "wandb" in sys.modules and sys.modules["wandb"]:
        sys.modules["wandb"].teardown()


class Wandb:
    """Reads what `wandb sync` would upload."""

    name = "wandb"

    def __init__(self, folder):
        pytest.importorskip("wandb", reason="wandb is not installed; pip install './python[test]'")
        self.folder = folder

    def sessions(self):
        """The records of each file, in order of time."""
        return [list(_records(path)) for path in sorted(self.folder.glob("wandb/offline-run-*/*.wandb"))]

    @property
    def runs(self):
        return {each.run.run_id for session in self.sessions() for each in session if each.HasField("run")}

    @property
    def rows(self):
        """All rows in the order of their arrival: pairs of step and values."""
        found = []
        for session in self.sessions():
            for each in session:
                if each.HasField("history"):
                    values = {(item.key or item.nested_key[0]): json.loads(item.value_json)
                              for item in each.history.item}
                    found.append((values["_step"], {k: v for k, v in values.items() if not k.startswith("_")}))
        return found

    @property
    def configuration(self):
        found = {}
        for session in self.sessions():
            for each in session:
                updates = [*(each.run.config.update if each.HasField("run") else []),
                           *(each.config.update if each.HasField("config") else [])]
                found.update({(item.key or item.nested_key[0]): json.loads(item.value_json) for item in updates})
        return found

    @property
    def results(self):
        found = {}
        for session in self.sessions():
            for each in session:
                for item in each.summary.update if each.HasField("summary") else []:
                    found[item.key or item.nested_key[0]] = json.loads(item.value_json)
        return {name[11:]: value for name, value in found.items() if name.startswith("evaluation/")}


def _records(path):
    """The records of a file: blocks of 32 KiB with pieces of records, after a header of 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    data, position, parts = path.read_bytes(), 7, b""
    while position + 7 <= len(data):
        left = 32768 - position % 32768
        if left < 7:
            position += left
            continue
        length, kind = struct.unpack("<HB", data[position + 4:position + 7])
        parts += data[position + 7:position + 7 + length]
        position += 7 + length
        if kind in (1, 4):      # a whole record, or the last piece of one
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            yield record
            parts = b""


class MLflow:
    """Reads the local store of MLflow."""

    name = "mlflow"

    def __init__(self, folder):
        mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed; pip install './python[test]'")
        self.client = mlflow.MlflowClient(os.environ["MLFLOW_TRACKING_URI"])

    @property
    def run(self):
        experiment = self.client.get_experiment_by_name("kaon")
        found = self.client.search_runs([experiment.experiment_id])
        assert len(found) == 1
        return found[0]

    @property
    def runs(self):
        return {self.run.info.run_id}

    def _history(self, wanted):
        names = [name for name in self.run.data.metrics if name.startswith("evaluation/") == wanted]
        return {name: self.client.get_metric_history(self.run.info.run_id, name) for name in names}

    @property
    def rows(self):
        found = {}
        for name, points in self._history(False).items():
            steps = [each.step for each in points]
            assert len(steps) == len(set(steps)), f"{name} has duplicates"
            for each in points:
                found.setdefault(each.step, {})[name] = each.value
        return sorted(found.items())

    @property
    def configuration(self):
        return self.run.data.params

    @property
    def results(self):
        found = self._history(True)
        assert all(len(points) == 1 for points in found.values())
        return {name[11:]: points[0].value for name, points in found.items()}


@pytest.fixture(params=[Wandb, MLflow])
def service(request, place):
    return request.param(place)


def stored(run):
    """The rows of `metrics.csv`."""
    lines = (run / "metrics.csv").read_text().splitlines()
    names, found = lines[0].split(","), {}
    for line in lines[1:]:
        values = dict(zip(names, line.split(",")))
        row = found.setdefault(int(values.pop("step")), {})
        row.update({name: float(text) for name, text in values.items() if text})
    return sorted(found.items())


def grow(run, lines):
    """Removes all rows after some lines, and returns the text of the removed ones."""
    text = (run / "metrics.csv").read_text().splitlines(keepends=True)
    (run / "metrics.csv").write_text("".join(text[:lines]))
    return "".join(text[lines:])


def test_a_finished_run_arrives_once(service, place, capsys):
    run = make_run(place / "runs/fine", {"auc": 0.75, "rejection_Hbb_at_99.5": math.inf}, seed=3)
    for _ in range(2):
        assert main([str(run), "--to", service.name]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"{run}: 20 rows sent to ") and f"{run}: 0 rows sent to " in "".join(said)
    assert service.rows == stored(run) and len(service.runs) == 1
    results = {name: float(value) for name, value in service.results.items()}
    assert results["auc"] == 0.75 and results["rejection_Hbb_at_99.5"] > 1e300
    if service.name == "wandb":
        assert "wandb sync wandb/offline-run-" in said[1]
        tree = yaml.safe_load((run / "config.yaml").read_text())
        assert {name: service.configuration[name] for name in tree} == tree
    else:
        assert service.configuration["seed"] == "3" and service.configuration["model.encoder.width"] == "128"
        assert service.run.info.status == "FINISHED" and service.run.info.run_name == "fine"


def test_a_running_run_is_followed(service, place):
    """Rows that appear later are sent once, also by a second command after the first was killed, and the command ends
    with the run."""
    run = make_run(place / "run", {"auc": 0.5}, steps=100, evaluated=False)
    later = grow(run, 8)
    command = [sys.executable, "-m", "kaon_results.follow", str(run), "--to", service.name, "--interval", "0.2"]

    def start():
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    first = start()
    assert "7 rows sent; waiting for more (35 of 100 steps)" in first.stdout.readline()
    second = subprocess.run(command, capture_output=True, text=True)
    assert second.returncode == 1 and "another command is sending" in second.stderr
    first.send_signal(signal.SIGTERM)
    assert first.wait(300) == 130 and "the same command continues" in first.stderr.read()
    assert service.rows == stored(run)

    first = start()
    assert "0 rows sent; waiting" in first.stdout.readline()
    with open(run / "metrics.csv", "a") as file:
        half = later.index("\n", 400) + 1
        file.write(later[:half - 4])            # an incomplete line
        file.flush()
        time.sleep(1)
        file.write(later[half - 4:])
    (run / "evaluation").mkdir()
    (run / "evaluation/metrics.json").write_text(json.dumps({"objective": "classification", "measures": {"auc": 0.5}}))
    assert first.wait(300) == 0, first.stderr.read()
    assert "rows sent to" in first.stdout.read()
    assert service.rows == stored(run) and len(service.rows) == 20 and len(service.runs) == 1
    assert service.results["auc"] == 0.5


def test_a_continued_run_gets_its_new_rows(service, place):
    """The closing row of a run, a second row of the last step, is sent with it; a continued run has the same steps
    again, and another configuration."""
    run = make_run(place / "run", {}, objective="mpm_v2", steps=50, evaluated=False)
    with open(run / "metrics.csv", "a") as file:
        file.write("50,0,12800,,,,7.5,7.5,0.6,,,,,\n")
    assert main([str(run), "--to", service.name]) == 0
    assert dict(service.rows)[50]["valid/total_loss"] == 7.5 and len(service.rows) == 10
    longer = make_run(place / "longer", {}, objective="mpm_v2", steps=80, evaluated=False)
    for name in ("config.yaml", "metrics.csv"):
        (longer / name).replace(run / name)
    assert main([str(run), "--to", service.name]) == 0
    steps = [step for step, _ in service.rows]
    assert steps == list(range(5, 81, 5)) and len(service.runs) == 1
    if service.name == "mlflow":
        assert service.configuration["training.steps"] == "50" and service.run.data.tags["training.steps"] == "80"
    else:
        assert service.configuration["training"]["steps"] == 80


def test_rows_that_were_sent_but_not_recorded_are_not_repeated(place):
    """The command was killed between the two: MLflow has the rows."""
    service = MLflow(place)
    run = make_run(place / "run", {"auc": 0.5})
    assert main([str(run), "--to", "mlflow", "--once"]) == 0
    record = json.loads((run / "follow-mlflow.json").read_text())
    for each in record.values():
        each["step"] = 10
    (run / "follow-mlflow.json").write_text(json.dumps(record))
    assert main([str(run), "--to", "mlflow", "--once"]) == 0
    assert service.rows == stored(run)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda run: shutil.rmtree(run), "is not a folder; give the folder of a run"),
        (lambda run: (run / "config.yaml").unlink(), "has no config.yaml; give the folder of a run"),
        (lambda run: (run / "config.yaml").write_text("{a: ["), "is not valid YAML"),
        (lambda run: (run / "metrics.csv").write_text("step,epoch\n1\n"), "is damaged"),
        (lambda run: (run / "follow-mlflow.json").write_text("[1]"), "remove it to send the run again as a new one"),
        (lambda run: (run / "follow-mlflow.json").write_text('{"a": {"step": 1}}'), "cannot be read"),
    ],
)
def test_bad_input_is_one_sentence(place, capsys, change, expected):
    MLflow(place)
    run = make_run(place / "run", {})
    change(run)
    assert main([str(run), "--to", "mlflow", "--once"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("kaon-follow: ") and expected in said and said.count("\n") == 1


def test_a_service_that_does_not_answer_is_one_sentence(place, capsys, monkeypatch):
    MLflow(place)
    run = make_run(place / "run", {})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(place / "run/config.yaml/store"))
    assert main([str(run), "--to", "mlflow", "--once"]) == 1
    assert "MLFLOW_TRACKING_URI selects another server" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert main([str(run), "--to", "wandb", "--once"]) == 1
    assert "wandb is not installed; pip install wandb" in capsys.readouterr().err


def test_other_intervals_are_refused(place, capsys):
    for text in ("0", "-1", "nan", "soon"):
        with pytest.raises(SystemExit):
            main(["run", "--to", "wandb", "--interval", text])
        assert "expected a positive number of seconds" in capsys.readouterr().err
