"""Writes modules as ONNX files, which run without PyTorch and kaon."""

import contextlib
import logging
import os
import warnings

import numpy as np
import torch
from torch import nn

from .backbone import Backbone
from .errors import FormatError
from .files import load
from .preprocessing import UnfittedPreprocessing

_OF_JETS = ("jets", "reference")        # inputs with one number for each jet
#: Metadata of the export that the ONNX file keeps.
KEPT = ("kaon", "contents", "step", "configuration", "features", "preprocessing", "classes", "backbone")


def export_onnx(model, path, noise="kaon"):
    """Writes a `Backbone` or a `FineTuned`, or the file of one, as an ONNX model that gives the same answers.

    Inputs, with any number of jets J and of slots L:

    - `csts` [J, L, F] float32, `csts_id` [J, L] int32, `mask` [J, L] bool: padded jets with the columns
      `Backbone.stored_features`; the model contains the preprocessing.
    - `jets` [J] int64: the indices of the jets in their file, which determine the noise that replaces the impact
      parameters of neutral constituents. Only with `noise="kaon"`, and if the preprocessing has such noise; with
      `noise="zero"` it is 0.
    - `reference` [J] float32: the numbers that a regression is relative to. Only with `regression.relative_to`.

    Outputs: the names and shapes for padded jets of `FineTuned`; or `encodings` [J, R + L, C] and `encoded`, the mask
    of those that are used. The metadata contains that of the export.

    The file appears only when it is complete. Raises `FormatError`.
    """
    if noise not in ("kaon", "zero"):
        raise ValueError(f"noise must be 'kaon' or 'zero', not {noise!r}")
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise FormatError(f"{error.name} is not installed; pip install './python[onnx]'") from None
    source = model if isinstance(model, (str, os.PathLike)) else "the model"
    module = load(model) if isinstance(model, (str, os.PathLike)) else model
    backbone = backbone_of(module)
    if isinstance(backbone.preprocessing, UnfittedPreprocessing):
        raise FormatError(
            f"{source} was imported without a preprocessing, which an ONNX file includes; give kaon-import "
            "--preprocessor, or assign a QuantilePreprocessing")
    inputs, outputs = input_names(module, noise), output_names(module)
    examples = example(module, 3, 5)
    jets, slots = torch.export.Dim("jets", min=1), torch.export.Dim("constituents", min=1)
    with _quiet():
        program = torch.onnx.export(
            _Answers(module, noise, inputs, outputs).eval(), tuple(examples[name] for name in inputs), dynamo=True,
            verbose=False, input_names=inputs, output_names=outputs,
            dynamic_shapes=(tuple({0: jets} if name in _OF_JETS else {0: jets, 1: slots} for name in inputs),))
    proto = program.model_proto
    dimensions = proto.graph.input[0].type.tensor_type.shape.dim
    if not (dimensions[0].dim_param and dimensions[1].dim_param):
        raise FormatError(
            f"PyTorch {torch.__version__} has fixed the number of jets or constituents of the ONNX model; use another "
            "version of PyTorch")
    onnx.helper.set_model_props(proto, {key: module.metadata[key] for key in KEPT if key in module.metadata})
    proto.producer_name, proto.producer_version = "kaon", module.metadata.get("kaon", "")
    onnx.checker.check_model(proto)
    temporary = f"{path}.tmp-{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        onnx.save(proto, temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise FormatError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def example(module, jets, slots):
    """Random jets as inputs of a module."""
    backbone = backbone_of(module)
    identity = backbone.embedding.identity
    kinds = 8 if identity is None else identity.num_embeddings
    random = torch.Generator().manual_seed(1)
    counts = torch.randint(1, slots + 1, (jets, 1), generator=random)
    return {
        "csts": torch.randn(jets, slots, len(backbone.stored_features), generator=random),
        "csts_id": torch.randint(0, kinds, (jets, slots), generator=random, dtype=torch.int32),
        "mask": torch.arange(slots) < counts, "jets": torch.arange(jets), "reference": torch.ones(jets)}


def backbone_of(module):
    """The backbone of a module, which may be one itself."""
    return module if isinstance(module, Backbone) else module.backbone


def input_names(module, noise="kaon"):
    """The inputs of the ONNX model of a module."""
    backbone = backbone_of(module)
    needs_jets = noise == "kaon" and backbone.preprocessing is not None and backbone.preprocessing.has_noise
    needs_reference = module is not backbone and module.relative_to is not None
    return ["csts", "csts_id", "mask"] + (["jets"] if needs_jets else []) + (["reference"] if needs_reference else [])


def output_names(module):
    """The outputs of the ONNX model of a module."""
    if isinstance(module, Backbone):
        return ["encodings", "encoded"]
    if module.task == "regression":
        return ["predicted", "sigma"][:module.head.outputs]
    return {"vertexing": ["pair_scores", "predicted_vertex"], "track_origin": ["origin_scores"]}.get(
        module.task, ["scores"])


@contextlib.contextmanager
def _quiet():
    """Without the exporter's messages about packages and names that do not matter here."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


class _Answers(nn.Module):
    """A module with the inputs and outputs of the ONNX file."""

    def __init__(self, module, noise, inputs, outputs):
        super().__init__()
        self.module, self.noise, self.inputs, self.outputs = module, noise, inputs, outputs

    def forward(self, *arrays):
        given = dict(zip(self.inputs, arrays))
        if isinstance(self.module, Backbone):
            return self.module.encode_padded(**given, noise=self.noise)
        found, _ = self.module.predict(**given, noise=self.noise)
        return tuple(found[name] for name in self.outputs)


@torch.no_grad()
def compare(module, path, noise="kaon", jets=100, slots=20):
    """The largest difference between the answers of a module and of its ONNX file to random jets, relative to the
    largest answer or 1; None without onnxruntime. Raises `FormatError` if onnxruntime cannot run the file."""
    try:
        import onnxruntime
    except ImportError:
        return None
    given = example(module, jets, slots)
    names = input_names(module, noise)
    try:
        found = onnxruntime.InferenceSession(path).run(None, {name: given[name].numpy() for name in names})
    except Exception as error:
        raise FormatError(f"onnxruntime cannot run {path}: {error}") from None
    if isinstance(module, Backbone):
        encodings, encoded = module(given["csts"], given["csts_id"], mask=given["mask"], noise=noise)
        pairs = [(found[0][encoded.numpy()], encodings[encoded])]
    else:
        answers = module(
            given["csts"], given["csts_id"], mask=given["mask"], noise=noise, reference=given["reference"])
        pairs = zip(found, answers.values())
    return max(float(np.abs(ours - theirs.numpy()).max() / max(1, theirs.abs().max())) for ours, theirs in pairs)
