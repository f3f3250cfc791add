"""Fine-tunings whose training, validation and test files differ, and constituent labels that cannot be right."""

import numpy as np
from case import accepted, refused
from jet_files import NAMES


def finetune(train, validation=None, test=None, *overrides, configuration="classification"):
    given = [f"data.train=['{train}']"]
    for key, path in (("validation", validation), ("test", test)):
        if path:
            given.append(f"data.{key}=['{path}']")
    return ["finetune", f"{configuration}.yaml", *given, *overrides]


def cases(jets):
    labels = jets.arrays["labels"]
    good = jets.write("good")
    yield accepted("classes the same", finetune(good, good, good), short=True)
    reverse = jets.write("reversed", names=NAMES[::-1], labels=9 - labels)
    yield accepted("classes in another order", finetune(good, reverse, reverse), short=True)
    two = jets.write("two", names=NAMES[:2], labels=labels % 2)
    yield accepted("classes that training lacks", finetune(two, good, good), "left out", True)
    yield refused("no common class", finetune(
        two, jets.write("others", names=[f"x{number}" for number in range(10)])), "class", True)
    bare = jets.write("bare", names=None)
    yield accepted("classes named by a key", finetune(bare, None, None, f"data.class_names=[{','.join(NAMES)}]"))
    for name, names, text in (
            ("twice", NAMES[:9] + ["QCD"], "QCD"), ("unnamed", NAMES[:9] + [""], "name"),
            ("short", NAMES[:5], "short.h5")):
        yield refused(f"names {name}", finetune(jets.write(name, names=names)), text, short=name == "twice")
    yield accepted("names odd", finetune(jets.write(
        "odd_names", names=["a,b", 'c"d', "e'f", "i/j", "日本", "{x}", " lead", "trail ", "#", "~"])))
    yield refused("one class", finetune(jets.write("one_class", names=["QCD"], labels=labels * 0)), "class")
    yield refused("no test file", finetune(good, good, jets.path("missing")), "missing.h5", True)
    yield refused(
        "test file damaged", finetune(good, good, jets.path("cut")), "cut.h5", True)
    yield refused("class that does not exist", finetune(good, None, None, "data.classes=[QCD,top]"), "top")
    yield refused("more jets than there are", finetune(good, None, None, "data.jets=100000"), "jets")
    yield from _tracks(jets)


def _tracks(jets):
    """Files of the BTag set."""
    random = np.random.default_rng(4)
    parts = {key: jets.arrays[key][:, :12] for key in ("csts", "csts_id", "mask")}
    mask = parts["mask"].astype(bool)
    vertices = np.where(mask, random.integers(0, 3, mask.shape), -1).astype("i4")
    types = np.where(mask, random.integers(0, 4, mask.shape), -1).astype("i4")
    common = {**parts, "labels": (jets.arrays["labels"] % 3).astype("i4"), "vtx_id": vertices, "track_type": types}

    def made(name, **changes):
        return jets.write(name, names=["light", "c", "b"], **(common | changes))

    def at(values, place, value, type_=None):
        values = values.astype(type_ or values.dtype)
        values[place] = value
        return values

    def run(task, path):
        return finetune(path, path, path, configuration=task)

    for task in ("vertexing", "track_origin"):
        yield accepted(f"{task} plain", run(task, made("tracks")), short=True)
    yield refused("track_origin no types", run("track_origin", made("no_types", track_type=None)), "track_type", True)
    yield refused("vertexing no vertices", run("vertexing", made("no_vertices", vtx_id=None)), "vtx_id")
    yield accepted(
        "track_origin type 4", run("track_origin", made("type_4", track_type=at(types, (8, 0), 4))), "as 'other'", True)
    yield refused(
        "vertexing vertex -2", run("vertexing", made("vertex_2", vtx_id=at(vertices, (8, 0), -2))), "vertex_2.h5")
    yield refused(
        "vertexing vertex 2^40", run("vertexing", made("vertex_40", vtx_id=at(vertices, (8, 0), 2**40, "i8"))),
        "vertex_40.h5")


CONFIGURATION = """objective: {objective}
run: {{directory: run}}
training: {{steps: 2, batch_size: 50, micro_batch_size: 25, validation_interval: 2, checkpoint_interval: 2}}
schedule: {{name: constant}}
parallel: {{threads: 1}}
data: {{train: [x]}}
model: {{encoder: {{width: 16, layers: 1, heads: 2, registers: 2}}}}
backbone_mode: scratch
"""
