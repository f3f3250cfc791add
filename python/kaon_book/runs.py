"""A run of the book: one call of kaon, the runs it needs, and the rows it is for."""

import shlex
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
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
        marker = place / "finished"
        if marker.exists():
            return marker.read_text(encoding="utf-8") == self.signature
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

    def mark(self, folder):
        (self.result(folder) / "finished").write_text(self.signature, encoding="utf-8")

    @cached_property
    def signature(self):
        """What the run is, apart from the place of its files: a change of it repeats the run."""
        kept = [word for word in self.overrides if not word.startswith(("data.train=", "data.validation=",
                                                                       "data.test=", "parallel.", "backbone=",
                                                                       "tokenizer."))]
        return shlex.join([self.command, *kept]) + "\n"


def read_steps(path, overrides):
    """Steps and batch size of a configuration with overrides."""
    found = dict(_training(path))
    for word in overrides:
        key, _, value = word.partition("=")
        if key in ("training.steps", "training.batch_size"):
            found[key.removeprefix("training.")] = int(value)
    return found["steps"], found["batch_size"]


@lru_cache
def _training(path):
    try:
        training = yaml.safe_load(Path(path).read_text(encoding="utf-8"))["training"]
        return {key: training[key] for key in ("steps", "batch_size")}
    except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
        raise DataError(f"{path} is not a configuration with steps and batch size: {error}") from error
