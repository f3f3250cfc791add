"""Configurations with the oddities of YAML, and with values that cannot be right."""

import os

from case import accepted, refused

TINY = """seed: 0
run: {{directory: {run}}}
data:
  train: [{train}]
  validation: [{train}]
objective: mpm_v2
model:
  encoder: {{width: 16, layers: 1, heads: 2, registers: 2, layer_scale: 0.1}}
  decoder: {{width: 16, layers: 1, heads: 2, layer_scale: 0.1}}
tasks:
  particle_id: {{weight: 0.3}}
  regression: {{}}
  kmeans: {{clusters: 8, fit_jets: 50}}
optimizer: {{learning_rate: 3.0e-3}}
schedule: {{name: constant}}
training: {{steps: 4, batch_size: 100, micro_batch_size: 50, validation_interval: 2, checkpoint_interval: 4}}
parallel: {{threads: 1}}
"""


def cases(folder, train):
    base = TINY.format(run="run", train=train)

    def written(name, text):
        path = os.path.join(folder, f"{name}.yaml")
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return ["pretrain", path]

    def swapped(name, old, new):
        assert old in base, old
        return written(name, base.replace(old, new))

    rate = "learning_rate: 3.0e-3"
    yield accepted("yaml plain", written("plain", base), short=True)
    yield accepted("yaml byte-order mark", written("mark", b"\xef\xbb\xbf" + base.encode()), short=True)
    yield accepted("yaml CRLF", written("crlf", base.replace("\n", "\r\n")))
    yield accepted("yaml without a last newline", written("newline", base.rstrip()))
    yield accepted("yaml document markers", written("markers", f"---\n{base}...\n"))
    yield accepted("yaml aliases", written(
        "aliases", base.replace("layer_scale: 0.1}", "layer_scale: &s 0.1}", 1).replace(
            "layer_scale: 0.1}", "layer_scale: *s}")))
    yield accepted("yaml quoted keys", swapped("quoted", "seed: 0", "'seed': 0"))
    yield accepted("yaml 1e-3", swapped("rate", rate, "learning_rate: 1e-3"))
    yield accepted("yaml steps 1e1", swapped("steps", "steps: 4", "steps: 1e1"))
    yield accepted("yaml home", swapped("home", f"train: [{train}]", f"train: ['$PWD/{train}']"))
    twice = swapped("twice", f"train: [{train}]", f"train: [{train}, {train}]")
    yield accepted("yaml file twice", twice, "more than once")
    for name, value in {
            "word": "fast", "comma": "0,003", "expression": "3*10**-3", "infinite": ".inf", "nan": ".nan",
            "minus": "3e−3",
            "unit": "3m", "negative": "-1e-3", "big": "1e400", "list": "[1e-3]"}.items():
        yield refused(
            f"yaml learning_rate {name}", swapped(f"rate_{name}", rate, f"learning_rate: {value}"),
            # Numbers that are not finite are found before the keys are decoded.
            value if name in ("infinite", "nan", "big") else "learning_rate",
            short=name in ("comma", "nan", "minus"))
    for name, old, new, text in (
            ("duplicate", "seed: 0", "seed: 0\nseed: 1", "seed"),
            ("section_twice", "optimizer:", "optimizer: {weight_decay: 0.1}\noptimizer:", "optimizer"),
            ("tab", "  encoder", "\tencoder", "tab"), ("unclosed", f"train: [{train}]", f"train: [{train}", "yaml"),
            ("unknown", "seed: 0", "sed: 0", "sed"), ("dash", "learning_rate", "learning-rate", "learning-rate"),
            ("case", "seed: 0", "Seed: 0", "Seed"), ("half_step", "steps: 4", "steps: 4.5", "steps"),
            ("steps_too_many", "steps: 4", "steps: 9223372036854775808", "steps"),
            ("negative_seed", "seed: 0", "seed: -1", "seed"), ("zero_heads", "heads: 2", "heads: 0", "heads"),
            ("odd_heads", "heads: 2", "heads: 3", "heads"), ("no_train", f"train: [{train}]", "train: []", "train"),
            ("other_train", f"train: [{train}]", "train: [none.h5]", "none.h5"),
            ("block", f"train: [{train}]", f"train: |\n    {train}", "line break"),
            ("pattern", f"train: [{train}]", "train: ['*.none']", "none"),
            ("python", "seed: 0", "seed: !!python/object/apply:os.system ['touch harmed']", "tag"),
            ("two_documents", "parallel:", "---\nparallel:", "document"),
            ("fraction", "tasks:", "masking: {fraction: 1.5}\ntasks:", "fraction"),
            ("objective", "objective: mpm_v2", "objective: mpm_v3", "objective")):
        yield refused(
            f"yaml {name}", swapped(f"odd_{name}", old, new), text,
            short=name in ("duplicate", "tab", "python", "unknown"))
    for name, content, text in (
            ("empty", b"", "empty"), ("comment", b"# nothing\n", "comment"), ("list", b"- a\n", "list"),
            ("scalar", b"hello\n", "scalar"), ("utf16", base.encode("utf-16"), "utf16"),
            ("latin1", "# größe\n".encode("latin-1") + base.encode(), "latin1"),
            ("nul", base.encode() + b"\0x", "nul")):
        yield refused(f"yaml {name}", written(name, content), f"{name}.yaml", short=name in ("empty", "utf16"))
    yield refused("no yaml", ["pretrain", "none.yaml"], "none.yaml")
    yield refused("a folder as yaml", ["pretrain", "."], ".")
    yield refused("unknown command", ["train", "tiny.yaml"], "train", True)
    yield refused("unknown override", ["pretrain", "tiny.yaml", "traning.steps=3"], "traning", True)
    yield refused("override without value", ["pretrain", "tiny.yaml", "training.steps="], "training.steps")
