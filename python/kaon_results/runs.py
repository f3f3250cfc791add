"""Run folders: `config.yaml`, `metrics.csv`, `evaluation/metrics.json`."""

import csv
import difflib
import json
import math
import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import yaml

from kaon_data import DataError

#: Objectives whose runs end with an evaluation.
DOWNSTREAM = ("classification", "cwola", "vertexing", "track_origin", "regression")
#: The column that selects the best checkpoint and stops a run early, where it is not the total loss.
_SELECTING = {"vqvae": "valid/reconstruction_loss"}
#: Keys that do not change what is measured, unlike the precision of products and sums.
_INCIDENTAL = re.compile(
    r"(?:backbone\.)*(?:seed|run\..*|evaluate\..*|parallel\.(?!(reduce_)?precision$).*|fine_tuning\.cache(_limit)?|"
    r"training\.(micro_batch_size|log_interval|checkpoint_interval|keep_last|keep_every|detect_anomaly|"
    r"tensorboard\..*|profile_.*))"
)

_STOPPED = re.compile(r"\bstopped by .* after (\d+) of \d+ steps")


@dataclass(frozen=True, eq=False)
class Run:
    """The folder of one run."""

    folder: Path
    #: Every key of `config.yaml` by its dotted path; those of `backbone_configuration` begin with `backbone.`.
    config: dict = field(repr=False)

    @property
    def objective(self):
        return self.config.get("objective", "unknown")

    @property
    def seed(self):
        return self.config.get("seed", 0)

    @cached_property
    def settings(self):
        """The keys that distinguish this run from others, apart from the seed."""
        return {key: self.value(key) for key in self.config if not _INCIDENTAL.fullmatch(key)}

    def value(self, key):
        """The value of a key; `backbone.KEY` is that of the pre-training. None for those of the backbone in the mode
        scratch, which only defines the shape. `data.test` is that of the evaluation, which may be later than the run.
        """
        if (key == "backbone" or key.startswith("backbone.")) and self.config.get("backbone_mode") == "scratch":
            return None
        if key == "data.test" and "test" in self.evaluation:
            return self.evaluation["test"]
        return self.config.get(key)

    @cached_property
    def curves(self):
        """The columns of `metrics.csv`, with NaN for missing values."""
        path = self.folder / "metrics.csv"
        try:
            with open(path, newline="", encoding="utf-8") as file:
                # A line without a line end is still being written.
                lines = [line for line in file if line.endswith("\n")]
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path} cannot be read: {error}") from error
        rows = list(csv.reader(lines))
        if not rows:
            return {}
        if any(len(row) != len(rows[0]) for row in rows):
            raise DataError(f"{path} is damaged: its rows have different numbers of columns")
        try:
            columns = zip(*[[float(text) if text else math.nan for text in row] for row in rows[1:]])
            return dict(zip(rows[0], map(list, columns))) if len(rows) > 1 else {name: [] for name in rows[0]}
        except ValueError as error:
            raise DataError(f"{path} is damaged: {error}") from error

    @cached_property
    def evaluation(self):
        """The contents of `metrics.json` of `kaon evaluate`; empty if there is none."""
        path = self.folder / "evaluation" / "metrics.json"
        return read_metrics(path) if path.exists() else {}

    @cached_property
    def generation(self):
        """The measures in `generation/metrics.json`, which `kaon-plot generated --json` writes, and those of data
        against data with `_data` behind their names; empty if there is no such file."""
        path = self.folder / "generation" / "metrics.json"
        if not path.exists():
            return {}
        report = read_metrics(path)
        baselines = report.get("baselines")
        baselines = baselines if isinstance(baselines, dict) else {}
        return report["measures"] | {f"{name}_data": value for name, value in baselines.items()}

    @cached_property
    def provenance(self):
        """The program, command and machine of the last start of the run: names and values, from the comments at the top
        of `config.yaml`; empty for a run of an earlier version."""
        found = {}
        with open(self.folder / "config.yaml", encoding="utf-8") as file:
            for line in file:
                if not (match := re.fullmatch(r"# (\w+): (.*)", line.rstrip("\n"))):
                    break
                found[match[1]] = match[2]
        return found

    def measure(self, name):
        """A measure of the evaluation or of generated jets, or the last value of a column of `metrics.csv` such as
        `valid/total_loss`."""
        if "/" in name:
            values = [value for value in self.curves.get(name, []) if not math.isnan(value)]
            return values[-1] if values else None
        value = self.evaluation.get("measures", {}).get(name, self.generation.get(name))
        return None if value is None else float(value)

    @property
    def measures(self):
        """The names accepted by `measure`."""
        columns = [name for name in self.curves if "/" in name and self.measure(name) is not None]
        return sorted(self.evaluation.get("measures", {}).keys() | self.generation) + columns

    @cached_property
    def training_jets(self):
        """The number of training jets, from `kaon.log`; None if it is not found there."""
        try:
            with open(self.folder / "kaon.log", encoding="utf-8", errors="replace") as file:
                found = (re.search(r"\bdata: (\d+) training jets\b", line) for line in file)
                return next((int(match[1]) for match in found if match), None)
        except OSError:
            return None

    @cached_property
    def last_step(self):
        """The last completed step, from `metrics.csv`, the checkpoints and the message in `kaon.log` when the run was
        stopped, since a run may stop between two rows of `metrics.csv`."""
        steps = self.curves.get("step", [])
        if not all(map(math.isfinite, steps)):
            raise DataError(f"{self.folder / 'metrics.csv'} is damaged: a step is not finite")
        steps = list(map(int, steps))
        for path in (self.folder / "checkpoints").glob("step-*.h5"):
            if match := re.fullmatch(r"step-(\d+)\.h5", path.name):
                steps.append(int(match[1]))
        try:
            with open(self.folder / "kaon.log", encoding="utf-8", errors="replace") as file:
                steps += [int(match[1]) for line in file if (match := _STOPPED.search(line))]
        except OSError:
            pass
        return max(steps, default=0)

    @cached_property
    def test_set(self):
        """The files on which the run was evaluated and their number of jets; None without an evaluation."""
        if not self.evaluation:
            return None
        files = self.value("data.test")
        files = files if isinstance(files, list) else [files] if files else []
        return tuple(map(str, files)), self.evaluation.get("jets")

    @cached_property
    def what_is_missing(self):
        """A short reason why the run is excluded; None if it is finished."""
        steps, wanted = self.last_step, self.config.get("training.steps") or 0
        if steps < wanted and not self._stopped_early:
            return f"{steps} of {wanted} steps"
        if self.objective in DOWNSTREAM and not self.evaluation:
            return "no evaluation/metrics.json; create it with kaon evaluate"
        return self._stale_evaluation

    @property
    def _stale_evaluation(self):
        """The reason if the run has other weights than at its evaluation; otherwise None."""
        link = self.folder / "checkpoints" / Path(self.evaluation.get("checkpoint", "")).name
        step = self.evaluation.get("step")
        if step is None:
            return None
        if link.is_symlink() and os.readlink(link) != f"step-{step:08d}.h5":
            return (f"evaluation/metrics.json is from step {step}, but {link.name} is now {os.readlink(link)}; "
                    "run kaon evaluate again")
        checksum, found = self.evaluation.get("checkpoint_checksum"), _sealed_checksum(link)
        if checksum is None or found in (None, checksum):
            return None
        return f"evaluation/metrics.json is from other weights than {link.name} has now; run kaon evaluate again"

    @property
    def _stopped_early(self):
        """True if early stopping ended the run: no lower validation loss for `training.early_stopping_patience`."""
        patience = self.config.get("training.early_stopping_patience")
        interval = self.config.get("training.validation_interval")
        if not isinstance(patience, int) or not interval:
            return False
        column = _SELECTING.get(self.objective, "valid/total_loss")
        lowest, since = math.inf, 0
        for step, loss in zip(self.curves.get("step", []), self.curves.get(column, [])):
            # A validation only at the end of the run does not count; a NaN loss is not lower.
            if step % interval:
                continue
            lowest, since = (loss, 0) if loss < lowest else (lowest, since + 1)
        return since >= patience


def find_runs(folders):
    """All runs below the folders, sorted by path, without duplicates."""
    found, visited = {}, set()
    for folder in folders:
        if not Path(folder).is_dir():
            raise DataError(f"{folder} is not a folder")
        before = len(found)
        for place, below, files in os.walk(folder, followlinks=True):
            # Links may lead to a folder more than once, or back to one above.
            if (real := os.path.realpath(place)) in visited:
                below.clear()
                continue
            visited.add(real)
            below[:] = sorted(name for name in below if name not in ("checkpoints", "evaluation", "generation"))
            if "config.yaml" in files and (config := _read_config(Path(place) / "config.yaml")) is not None:
                found[real] = Run(Path(place), config)
        if len(found) == before and not any(_is_inside(path, folder) for path in found):
            raise DataError(f"{folder} contains no runs (folders with a config.yaml)")
    return list(found.values())


def read_run(folder):
    """The run in a folder. Raises `DataError` if it has no configuration."""
    path = Path(folder) / "config.yaml"
    if not Path(folder).is_dir():
        raise DataError(f"{folder} is not a folder; give the folder of a run")
    if not path.is_file():
        raise DataError(f"{folder} has no config.yaml; give the folder of a run, which kaon writes when the run starts")
    if (config := _read_config(path)) is None:
        raise DataError(f"{path} is not a configuration of kaon: it has no objective")
    return Run(Path(folder), config)


def _is_inside(path, folder):
    return Path(path).is_relative_to(os.path.realpath(folder))


def _read_config(path):
    """The keys of a configuration; None for one of another program, which has no objective."""
    try:
        # Use the C parser if available: it is ten times faster.
        tree = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise DataError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise DataError(f"{path} is not a configuration of kaon")
    if not isinstance(tree.get("objective"), str):
        return None
    config = {re.sub(r"\bbackbone_configuration\.", "backbone.", str(key)): value for key, value in _flat(tree)}
    for key in ("seed", "training.steps", "training.validation_interval"):
        if type(value := config.get(key, 0)) is not int and value is not None:
            raise DataError(f"{path} is damaged: {key} is {value!r}, expected an integer")
    return config


def _flat(tree, prefix=""):
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _sealed_checksum(path):
    """The checksum in the seal of a checkpoint; None for other files and without one."""
    try:
        with open(path, "rb") as file:
            match = re.match(rb"kaonseal ([0-9a-f]{16}) ", file.read(512))
    except OSError:
        return None
    return match and match[1].decode()


def read_metrics(path):
    """Reads a `metrics.json`, which may contain non-finite numbers."""
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist: give a metrics.json of kaon evaluate") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if not isinstance(report, dict) or not isinstance(report.get("measures"), dict):
        raise DataError(f"{path} is not a metrics.json of kaon evaluate")
    for name, value in report["measures"].items():
        try:
            float(0 if value is None else value)
        except (TypeError, ValueError) as error:
            raise DataError(f"{path} is damaged: the measure {name} is {value!r}") from error
    if report.get("objective") == "vertexing" and "ari_components" not in report["measures"]:
        # In earlier versions `ari` was the index of Hubert and Arabie.
        report["measures"] = {re.sub(r"^ari(?=_|$)", "hubert_arabie", name): value
                              for name, value in report["measures"].items()}
    return report


def nearest(name, names):
    """Suggestion for a message: the closest name, or all available names."""
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"available: {', '.join(names)}" if names else "none available"
