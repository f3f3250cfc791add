"""A run of the book: one call of kaon, the runs it needs, and the rows it is for."""

import hashlib
import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import yaml

from kaon_data import DataError
from kaon_results.runs import read_run

#: The stages in their order; a run needs only runs of earlier stages.
STAGES = ("tokenizers", "backbones", "downstream", "samples")


@dataclass(eq=False)
class Run:
    """`kaon COMMAND ARGUMENTS…`, whose result is in the folder `name` below the folder of the book."""

    #: The path of its folder, which begins with the stage.
    name: str
    #: pretrain, finetune, evaluate or generate.
    command: str
    #: The configuration or the checkpoint.
    subject: str
    overrides: list
    #: A digest of what the result depends on: command, settings, and the recipes of the runs that it needs.
    recipe: str
    #: The names of the runs whose checkpoints it reads.
    needs: list = field(default_factory=list)
    seed: int = 0
    steps: int = 0
    #: Jets in a step.
    batch: int = 0
    #: Expected processor time, in seconds of one core.
    seconds: float = 0
    #: The rows of the book that show it.
    rows: list = field(default_factory=list)

    @property
    def stage(self):
        return self.name.partition("/")[0]

    def words(self, book):
        """The arguments of kaon, with absolute paths."""
        folder = book.folder / self.name
        if self.command in ("pretrain", "finetune"):
            directory = [f"run.directory={folder}"]
        elif self.command == "evaluate":
            directory = ["--force", "--output", str(folder / "evaluation")]
        else:
            directory = ["--output", str(folder / "jets.h5")]
        return [self.command, self.subject, *self.overrides, *directory]

    def result(self, folder):
        """The folder of the run below the folder of the book."""
        return Path(folder) / self.name

    def is_finished(self, folder):
        """True if the run has its result. The file `finished` saves reading the records of the run."""
        place = self.result(folder)
        if self._is_replaced(folder):
            return False
        if (place / "finished").exists():
            return True
        if self.command == "evaluate":
            done = (place / "evaluation" / "metrics.json").exists()
        elif self.command == "generate":
            done = (place / "jets.h5").exists()
        elif (place / "config.yaml").exists():
            found = read_run(place)
            done = found.what_is_missing is None and found.config.get("training.steps") == self.steps
        else:
            done = False
        if done:
            self.mark(folder)
        return done

    def prepare(self, folder):
        """Makes the folder of the run. A folder with a run of another recipe is moved to `replaced`, because kaon would
        resume it."""
        place = self.result(folder)
        if self._is_replaced(folder):
            target, number = Path(folder) / "replaced" / self.name, 1
            while target.exists():
                number += 1
                target = target.with_name(f"{place.name}-{number}")
            target.parent.mkdir(parents=True, exist_ok=True)
            place.rename(target)
        place.mkdir(parents=True, exist_ok=True)
        (place / "recipe").write_text(self.recipe + "\n", encoding="utf-8")

    def mark(self, folder):
        (self.result(folder) / "finished").write_text(self.recipe + "\n", encoding="utf-8")

    def _is_replaced(self, folder):
        """True if the folder has a run of another recipe."""
        files = [self.result(folder) / name for name in ("recipe", "finished")]
        return any(file.read_text(encoding="utf-8").strip() != self.recipe for file in files if file.exists())


def recipe(command, subject, overrides, needed):
    """The digest of a run that reads checkpoints of the runs `needed`. Places of files, and how the work is divided
    among threads and ranks, are not part of it; comments in the configuration neither."""
    config = _read(subject) if command in ("pretrain", "finetune") else None
    kept = [word for word in overrides
            if not word.startswith(("data.train=", "data.validation=", "data.test=", "parallel.", "backbone=",
                                    "tokenizer.checkpoint=", "/"))]
    text = json.dumps([command, config, kept, [run.recipe for run in needed]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def read_steps(path, overrides):
    """Steps and batch size of a configuration with overrides."""
    try:
        found = {key: _read(path)["training"][key] for key in ("steps", "batch_size")}
    except (KeyError, TypeError) as error:
        raise DataError(f"{path} is not a configuration with steps and batch size: {error}") from error
    for word in overrides:
        key, _, value = word.partition("=")
        if key in ("training.steps", "training.batch_size"):
            found[key.removeprefix("training.")] = int(value)
    return found["steps"], found["batch_size"]


@lru_cache
def _read(path):
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise DataError(f"{path} is not a configuration: {error}") from error
