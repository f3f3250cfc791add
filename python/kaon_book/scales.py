"""The two scales of the book: `small`, about five hours of one core, and `paper`, with the paper's numbers."""

import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

#: Backbones have a width of 64 and three layers and see 128,000 jets in 4,000 steps, about half a minute of a core.
#: Small models gain more from many steps than from large batches.
_SMALL_PRETRAINING = [
    "training.log_interval=100", "training.validation_jets=1000", "schedule.warmup_steps=100",
    "preprocessing.jets=20000",
]
_SMALL_MODEL = {
    "v1": ["model.encoder.width=64", "model.encoder.layers=3", "model.encoder.heads=4", "model.encoder.hidden=64"],
    # Rows 2 to 4 of Table 1.3: the layers of version 2 without its decoder.
    "v1-transformer": ["model.encoder.width=64", "model.encoder.layers=3", "model.encoder.heads=4"],
    "v2": ["model.encoder.width=64", "model.encoder.layers=3", "model.encoder.heads=4"],
    "decoder": ["model.decoder.width=32", "model.decoder.heads=2"],
    "set-flow": ["model.encoder.width=64", "model.encoder.layers=3", "model.encoder.heads=4", "model.decoder.width=64",
                 "model.decoder.layers=2", "model.decoder.heads=4"],
    "tokenizer": ["model.encoder.width=32", "model.encoder.layers=2", "model.encoder.heads=4",
                  "model.encoder.hidden=32", "model.decoder.width=32", "model.decoder.layers=2",
                  "model.decoder.heads=4", "model.decoder.hidden=32"],
}
#: By task, what is smaller than in configs/small.
_SMALL_TASK = {
    "kmeans": ["tasks.kmeans.fit_jets=3000"],
    "flow": ["tasks.flow.width=32", "tasks.flow.condition=32"],
    "flow_matching": ["tasks.flow_matching.width=64", "tasks.flow_matching.condition=32"],
}
_SMALL_DOWNSTREAM = [
    "training.micro_batch_size=64", "training.validation_jets=1000", "training.log_interval=100",
    "schedule.warmup_steps=50",
]


@dataclass(frozen=True)
class Scale:
    """What depends on the scale. Numbers of jets are those of the horizontal axes of the figures."""

    name: str
    configs: str
    backbone_seeds: int
    #: Backbones of each kind where pre-trainings are compared: Tables 1.1 and 1.3 and Figure 1.8.
    compared_seeds: int
    seeds: int
    labels: tuple
    unseen_labels: tuple
    flavour_labels: tuple
    signal_v1: tuple
    signal_v2: tuple
    #: Jets of the probes of Tables 1.1 and 1.3 and of Figure 1.8.
    probe_jets: object
    mask_rates: tuple = (0.1, 0.3, 0.5, 0.7, 0.9)
    depths: tuple = (1, 2, 4)
    #: The depth of the models with different mask rates.
    base_depth: int = 2

    @property
    def is_small(self):
        return self.name == "small"

    def pretraining(self, kind, tasks, length=1):
        """Overrides of a pre-training of this kind, `length` times as long as usual."""
        if not self.is_small:
            return ["training.steps=1000000"] if length > 1 else []
        steps, batch = (1500, 128) if kind == "tokenizer" else (4000 * length, 32)
        interval = steps // 4
        found = [*_SMALL_PRETRAINING, f"training.steps={steps}", f"training.batch_size={batch}",
                 f"training.micro_batch_size={batch}", f"training.validation_interval={interval}",
                 f"training.checkpoint_interval={interval}", f"schedule.half_life={steps // 3}", *_SMALL_MODEL[kind]]
        if kind == "v2":
            found += _SMALL_MODEL["decoder"]
        return found + [word for task in tasks for word in _SMALL_TASK.get(task, [])]

    def downstream(self, task, mode, jets=None):
        """Overrides of a downstream run: its length, and what the mode and the number of labelled jets need."""
        if not self.is_small:
            if task in ("classification", "flavour") and isinstance(jets, int):
                return list(protocol("paper" if task == "classification" else "paper-btag", mode, jets))
            if task in ("labels-v1", "unseen-v1"):
                # 50 epochs in batches of 256 jets, with a validation after each.
                return [f"training.steps={50 * jets // 256}", f"training.validation_interval={max(1, jets // 256)}"]
            if task == "cwola" and mode == "fine_tuned" and jets > 1000:
                return ["fine_tuning.frozen_steps=5000"]
            return []
        steps, batch = {
            "linear": (600, 128), "cwola": (1600, 32), "vertexing": (600, 64), "origin": (600, 64),
        }.get(task.removesuffix("-v1")) or ((200, 64) if jets <= 100 else (400, 64) if jets <= 1000 else (800, 64))
        interval = steps // 4
        found = [*_SMALL_DOWNSTREAM, f"training.steps={steps}", f"training.batch_size={batch}",
                 f"training.validation_interval={interval}", f"training.checkpoint_interval={interval}"]
        if mode == "fine_tuned" and not task.endswith("-v1"):
            found += ["fine_tuning.frozen_steps=50", "fine_tuning.catch_up_steps=50"]
        return found


@lru_cache
def protocol(name, mode, jets):
    """The settings of the paper's runs for a number of labelled jets, from scripts/sweep-lines.sh."""
    backbone = [] if mode == "scratch" else ["--backbone", "backbone"]
    line = subprocess.run(
        ["bash", ROOT / "scripts/sweep-lines.sh", "--output", "run", *backbone, "--modes", mode, "--key", "data.jets",
         "--values", str(jets), "--protocol", name], check=True, capture_output=True, text=True).stdout.split()
    return [word for word in line if not word.startswith(("run.directory=", "backbone", "seed=", "data.jets="))]


SMALL = Scale(
    name="small", configs="configs/small", backbone_seeds=3, compared_seeds=5, seeds=5, labels=(100, 1000, 10000),
    unseen_labels=(100, 1000, 10000), flavour_labels=(500, 5000, 40000), signal_v1=(100, 500, 2000),
    signal_v2=(100, 500, 2000), probe_jets=10000, base_depth=1)
PAPER = Scale(
    name="paper", configs="configs", backbone_seeds=1, compared_seeds=1, seeds=5,
    labels=(1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000),
    unseen_labels=(1000, 10_000, 100_000, 1_000_000, 10_000_000),
    flavour_labels=(2000, 20_000, 200_000, 2_023_331),
    signal_v1=(1000, 10_000, 50_000, 100_000), signal_v2=(500, 1000, 5000, 10_000, 100_000),
    probe_jets="all", mask_rates=(0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9), depths=(1, 2, 3, 4))
SCALES = {each.name: each for each in (SMALL, PAPER)}
