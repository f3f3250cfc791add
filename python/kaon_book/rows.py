"""The list: which runs every table and figure of the thesis needs."""

from dataclasses import dataclass
from pathlib import Path

from kaon_data import DataError

from .runs import STAGES, Run, read_steps, recipe
from .scales import ROOT

HIGGS = "data.classes=[QCD,Hbb,Hcc,Hgg,H4q,Hqql]"
#: The rows of Table 1.1: configuration, inputs, targets, position, and the accuracy in the thesis in percent.
TABLE_1_1 = (
    ("mpmv1-vqvae-head", "continuous", "VQ-VAE", "head", 56.8),
    ("mpmv1-kmeans-head", "continuous", "k-means", "head", 56.2),
    ("mpmv1-vqvae-none", "continuous", "VQ-VAE", "none", 54.1),
    ("mpmv1-vqvae-backbone", "continuous", "VQ-VAE", "backbone", 53.4),
    ("mpmv1-vqvae-to-vqvae-head", "VQ-VAE", "VQ-VAE", "head", 51.1),
    ("mpmv1-vqvae-to-kmeans-head", "VQ-VAE", "k-means", "head", 49.3),
    ("mpmv1-regression-head", "continuous", "continuous", "head", 48.9),
    ("mpmv1-regression-backbone", "continuous", "continuous", "backbone", 46.3),
)
#: The rows of Table 1.3: configuration, what is added, and the accuracies in the thesis, regression and k-means.
TABLE_1_3 = (
    ("1-mpmv1", "MPMv1 with pT, Δη, Δφ", 48.9, 56.2),
    ("2-transformer-layers", "+ updated transformer layers", 55.5, 62.2),
    ("3-impact-parameters", "+ impact parameters", 62.2, 70.2),
    ("4-constituent-id", "+ identity as feature and task", 63.5, 74.0),
    ("5-mae-decoder", "+ transformer as decoder (MAE)", 79.2, 81.4),
    ("6-registers", "+ registers", 80.4, 83.0),
    ("7-longer-deeper", "+ longer, deeper decoder, 40 % masked", 83.3, 84.0),
)
#: The backbones of version 2: their configurations and names in the figures.
BACKBONES = {
    "mpmv2-regression": "regression", "mpmv2-kmeans": "k-means", "mpmv2-vqvae": "VQ-VAE", "mpmv2-flow": "flow",
    "mpmv2-flow-matching": "flow matching", "set-flow": "set-to-set flow",
}
MODES = ("fixed", "fine_tuned", "scratch")
RECONSTRUCTED = ("mpmv2-regression", "mpmv2-kmeans", "mpmv2-flow", "mpmv2-flow-matching")
#: Training jets per second of one core (small models, bf16), for the expected time; and the seconds of a start.
_RATES = {
    "tokenizer": 5500, "v1": 5200, "v1-transformer": 5200, "v2": 4500, "set-flow": 3400, "fixed": 9000,
    "fine_tuned": 4500, "scratch": 4500,
}
_START = 2.0
#: The same for the paper's models.
_PAPER_RATE = 78


@dataclass(frozen=True)
class Row:
    """A table or figure."""

    name: str
    title: str
    add: object

    @property
    def number(self):
        return self.name.partition("-")[2]


class Book:
    """All runs of the chosen rows. `data` and `folder` are paths."""

    def __init__(self, scale, data, folder, rows=None):
        self.scale, self.data, self.folder = scale, Path(data).resolve(), Path(folder).resolve()
        self.runs = {}
        self.rows = select(rows)
        for self._row in self.rows:
            self._row.add(self)

    def ordered(self):
        """First one seed of all rows, then the next; a run follows those that it needs."""
        place = {row.name: index for index, row in enumerate(self.rows)}
        first = {}

        def visit(run, key):
            if run.name in first and first[run.name] <= key:
                return
            first[run.name] = key
            for name in run.needs:
                visit(self.runs[name], key)

        for run in self.runs.values():
            visit(run, (run.seed, min(place[row] for row in run.rows)))
        return sorted(self.runs.values(), key=lambda run: (*first[run.name], STAGES.index(run.stage), run.name))

    def of_row(self, name):
        return [run for run in self.runs.values() if name in run.rows]

    # Runs; each is added once, and the methods return its name.

    def _add(self, name, command, subject, overrides, needs=(), seed=0, seconds=None, kind="v2"):
        if name not in self.runs:
            steps = batch = 0
            if command in ("pretrain", "finetune"):
                steps, batch = read_steps(subject, overrides)
                rate = _RATES[kind] if self.scale.is_small else _PAPER_RATE
                seconds = _START + steps * batch / rate
            digest = recipe(command, subject, overrides, [self.runs[needed] for needed in needs])
            self.runs[name] = Run(name, command, str(subject), overrides, digest, list(needs), seed, steps, batch,
                                  seconds)
        self._mark(name)
        return name

    def _mark(self, name):
        run = self.runs[name]
        if self._row.name not in run.rows:
            run.rows.append(self._row.name)
            for needed in run.needs:
                self._mark(needed)

    def _config(self, name):
        return ROOT / self.scale.configs / f"{name}.yaml"

    def _files(self, names=("train", "val"), prefix=""):
        keys = ("data.train", "data.validation", "data.test")
        return [f"{key}=[{locate(self.data, prefix + name)}]" for key, name in zip(keys, names)]

    @property
    def _machine(self):
        return ["parallel.precision=bf16"] if self.scale.is_small else []

    def checkpoint(self, name, which="latest"):
        return str(self.folder / name / "checkpoints" / which)

    def tokenizer(self, config, only_higgs=False):
        name = f"tokenizers/{config}" + "-higgs" * only_higgs
        overrides = [*self._files(), *self._machine, *self.scale.pretraining("tokenizer", []),
                     *([HIGGS] if only_higgs else []), "seed=0"]
        return self._add(name, "pretrain", self._config(config), overrides, kind="tokenizer")

    def backbone(self, config, seed, name=None, length=1, extra=(), only_higgs=False):
        """A backbone of a configuration; it needs the VQ-VAE of its version if the configuration names one."""
        kind = "v2"
        if config.startswith("mpmv1") or config == "ablation/1-mpmv1":
            kind = "v1"
        elif config.startswith(("ablation/2", "ablation/3", "ablation/4")):
            kind = "v1-transformer"
        elif config == "set-flow":
            kind = "set-flow"
        text = self._config(config).read_text(encoding="utf-8")
        tasks = [task for task in ("kmeans", "flow_matching", "flow") if f"  {task}:" in text]
        if "~tasks.kmeans" in extra:
            tasks.remove("kmeans")
        needs, tokens = [], []
        if "tokenizer:" in text:
            needs = [self.tokenizer(f"vqvae-{kind}", only_higgs)]
            tokens = [f"tokenizer.checkpoint={self.checkpoint(needs[0])}"]
        overrides = [*self._files(), *self._machine, *self.scale.pretraining(kind, tasks, length), *tokens, *extra,
                     *([HIGGS] if only_higgs else []), f"seed={seed}"]
        name = f"backbones/{name or config.replace('/', '-')}" + "-higgs" * only_higgs + f"/seed-{seed}"
        return self._add(name, "pretrain", self._config(config), overrides, needs, seed, kind=kind)

    def main_backbone(self, config, seed):
        """A backbone of version 2 at its full length, which is that of the last row of Table 1.3."""
        return self.backbone(config, seed % self.scale.backbone_seeds, length=4)

    def version_1(self, seed, only_higgs=False):
        """A backbone of Figures 1.3 to 1.5."""
        longer = {"length": 8, "extra": ["optimizer.learning_rate=2.0e-3"]} if self.scale.is_small else {}
        return self.backbone("mpmv1-vqvae-head", seed % self.scale.backbone_seeds, self.version_1_name,
                             only_higgs=only_higgs, **longer)

    @property
    def version_1_name(self):
        """The name of the backbones of Figures 1.3 to 1.5, at the small scale longer than those of Table 1.1."""
        return "mpmv1-longer" if self.scale.is_small else "mpmv1-vqvae-head"

    def downstream(self, task, config, backbone, mode, seed, prefix="", jets=None, extra=()):
        """A run on a backbone; the mode scratch takes only the shape of the backbone."""
        title = backbone.split("/")[1] if mode != "scratch" else self.runs[backbone].name.split("/")[1][:5]
        folder = [task, title, mode]
        overrides = [*self._files(("btag_train", "btag_valid", "btag_test") if prefix else ("train", "val", "test"))]
        overrides += [*self._machine, *self.scale.downstream(task, mode, jets)]
        if jets is not None:
            overrides.append(f"cwola.signal_jets={jets}" if task.startswith("cwola") else f"data.jets={jets}")
            folder.append(f"jets-{jets}")
        overrides += [*extra, f"backbone={self.checkpoint(backbone)}", f"backbone_mode={mode}", f"seed={seed}"]
        name = "/".join(["downstream", *folder, f"seed-{seed}"])
        return self._add(name, "finetune", self._config(config), overrides, [backbone], seed, kind=mode)


def locate(data, name):
    """The jets of this name in the folder of the data: NAME.h5, or a folder."""
    aliases = {"btag_train": "btag/train", "btag_valid": "btag/val", "btag_test": "btag/test"}
    for path in (data / f"{name}.h5", data / name, data / aliases.get(name, name)):
        if path.exists():
            return path
    raise DataError(f"{data} has neither {name}.h5 nor a folder {aliases.get(name, name)}; give data=FOLDER with the "
                    "converted jets (docs/results.md)")


# The rows.


def _table_1_1(book):
    for seed in range(book.scale.seeds):
        for config, *_ in TABLE_1_1:
            backbone = book.backbone(config, seed % book.scale.compared_seeds)
            # As in the authors' code, the order in pT is known in the pre-training alone.
            extra = ["model.position_in_backbone=false"] if config.endswith("-backbone") else []
            book.downstream("linear", "linear-probe", backbone, "fixed", seed, jets=book.scale.probe_jets, extra=extra)


def _figure_1_2(book):
    vqvae = book.tokenizer("vqvae-v1")
    book._add("samples/vqvae-v1", "evaluate", book.checkpoint(vqvae),
              [f"data.test=[{locate(book.data, 'test')}]"], [vqvae], seconds=4)


def _version_1(book, task, classes, only_higgs, labels, modes=MODES):
    for seed in range(book.scale.seeds):
        backbone = book.version_1(seed, only_higgs)
        for mode in modes:
            for jets in labels:
                rate = ["optimizer.learning_rate=5.0e-3"] if book.scale.is_small and mode == "fixed" else []
                book.downstream(task, "finetune-ood-v1", backbone, mode, seed, jets=jets, extra=[*classes, *rate])


def _figure_1_3(book):
    _version_1(book, "labels-v1", ["data.classes=all"], False, book.scale.labels)


def _figure_1_4(book):
    _version_1(book, "unseen-v1", [], True, book.scale.unseen_labels)


def _figure_1_5(book):
    head = ["head={name: weighted_pooling}", "optimizer.weight_decay=0.01", "fine_tuning.frozen_steps=0",
            "fine_tuning.catch_up_steps=0"]
    if not book.scale.is_small:
        head.append("schedule={name: warmup_exponential, warmup_steps: 1000, final_factor: 1.0}")
    for seed in range(book.scale.seeds):
        for mode in MODES:
            for jets in book.scale.signal_v1:
                book.downstream("cwola-v1", "finetune-cwola", book.version_1(seed), mode, seed, jets=jets, extra=head)


def _data_only(book):
    for name in ("train", "btag_train"):
        locate(book.data, name)


def _probe(book, backbone, seed):
    """The classifier of Table 1.3 on a fixed backbone, which Figure A.1a shares."""
    return book.downstream("classification", "finetune-classification", backbone, "fixed", seed,
                           jets=book.scale.probe_jets if book.scale.is_small else 100_000_000)


def _table_1_3(book):
    for seed in range(book.scale.compared_seeds):
        for config, *_ in TABLE_1_3[:-1]:
            loss = "l1" if config[0] in "56" else "mse"
            columns = {"kmeans": [], "regression": ["~tasks.kmeans", f"tasks.regression={{loss: {loss}}}"]}
            for column, extra in columns.items():
                _probe(book, book.backbone(f"ablation/{config}", seed, f"ablation-{config}-{column}", extra=extra),
                       seed)
        for config in ("mpmv2-kmeans", "mpmv2-regression"):
            _probe(book, book.main_backbone(config, seed), seed)


def _figure_1_8(book):
    base = "ablation/6-registers"
    for seed in range(book.scale.compared_seeds):
        for rate in book.scale.mask_rates:
            name = "ablation-6-registers-kmeans" if rate == 0.3 else f"mask-{rate}"
            extra = [] if rate == 0.3 else [f"masking.fraction={rate}"]
            _probe(book, book.backbone(base, seed, name, extra=extra), seed)
        for depth in book.scale.depths:
            name = "ablation-6-registers-kmeans" if depth == book.scale.base_depth else f"depth-{depth}"
            extra = [] if depth == book.scale.base_depth else [f"model.decoder.layers={depth}"]
            _probe(book, book.backbone(base, seed, name, extra=extra), seed)


def _every_backbone(book, mode_of_backbones, add):
    """Calls `add(backbone, mode, seed)` for every backbone of version 2, and once from scratch."""
    for seed in range(book.scale.seeds):
        for config in BACKBONES:
            add(book.main_backbone(config, seed), mode_of_backbones, seed)
        add(book.main_backbone("mpmv2-kmeans", seed), "scratch", seed)


def _jets(task, config, mode, values, **more):
    """Runs of a task for each number of jets; `values` is the name of the scale's list of them."""
    def row(book):
        def add(backbone, mode, seed):
            for jets in getattr(book.scale, values):
                book.downstream(task, config, backbone, mode, seed, jets=jets, **more)
        _every_backbone(book, mode, add)
    return row


def _labels(mode):
    return _jets("classification", "finetune-classification", mode, "labels")


def _signals(mode):
    return _jets("cwola", "finetune-cwola", mode, "signal_v2")


def _flavour(mode):
    return _jets("flavour", "finetune-btag", mode, "flavour_labels", prefix="btag")


def _tracks(task, config, mode):
    def row(book):
        def add(backbone, mode, seed):
            book.downstream(task, config, backbone, mode, seed, prefix="btag")
        _every_backbone(book, mode, add)
    return row


def _figure_a_2(book):
    _flavour("fixed")(book)
    _tracks("vertexing", "finetune-vertexing", "fixed")(book)
    _tracks("origin", "finetune-track-origin", "fixed")(book)


def _figure_a_3(book):
    for config in RECONSTRUCTED:
        backbone = book.main_backbone(config, 0)
        book._add(f"samples/{config}", "generate", "--reconstruct",
                  [book.checkpoint(backbone), f"data.test=[{locate(book.data, 'test')}]", "--jets", "200"], [backbone],
                  seconds=4)


ROWS = (
    Row("table-1.1", "linear probes of version 1", _table_1_1),
    Row("figure-1.2", "pT and mass through the VQ-VAE", _figure_1_2),
    Row("figure-1.3", "accuracy against labelled jets, version 1", _figure_1_3),
    Row("figure-1.4", "classes not seen in pre-training, version 1", _figure_1_4),
    Row("figure-1.5", "weak supervision, version 1", _figure_1_5),
    Row("figure-1.6", "features of the two data sets", _data_only),
    Row("table-1.3", "from version 1 to version 2", _table_1_3),
    Row("figure-1.8", "mask rate and depth of the decoder", _figure_1_8),
    Row("figure-1.9a", "accuracy against labelled jets, fine-tuned", _labels("fine_tuned")),
    Row("figure-1.9b", "weak supervision, fine-tuned", _signals("fine_tuned")),
    Row("figure-1.10a", "flavour tagging, fine-tuned", _flavour("fine_tuned")),
    Row("figure-1.10b", "vertexing, fine-tuned", _tracks("vertexing", "finetune-vertexing", "fine_tuned")),
    Row("figure-1.10c", "track origin, fine-tuned", _tracks("origin", "finetune-track-origin", "fine_tuned")),
    Row("figure-A.1a", "accuracy against labelled jets, fixed backbones", _labels("fixed")),
    Row("figure-A.1b", "weak supervision, fixed backbones", _signals("fixed")),
    Row("figure-A.2", "the three BTag tasks, fixed backbones", _figure_a_2),
    Row("figure-A.3", "reconstruction of three jets", _figure_a_3),
)


def select(names=None):
    """The rows with these names or numbers: `1.3` is Table 1.3 and Figure 1.3, `figure-1.3` the figure, `1.9` both of
    its parts."""
    if names is None:
        return list(ROWS)
    found = []
    for name in names:
        rows = [row for row in ROWS if name in (row.name, row.number) or
                row.name[-1].isalpha() and name in (row.name[:-1], row.number[:-1])]
        if not rows:
            raise DataError(f"only={name}: the book has no such row; rows are {', '.join(row.name for row in ROWS)}")
        found += rows
    return [row for row in ROWS if row in found]
