"""Models trained by kaon as PyTorch modules.

    kaon export runs/mpmv2-kmeans/checkpoints/best --output backbone.safetensors
    kaon export runs/finetune/checkpoints/best --all --output model.safetensors

    import kaon_torch
    backbone = kaon_torch.load("backbone.safetensors")
    encodings, offsets = backbone(csts, csts_id, offsets=offsets)      # packed jets
    encodings, mask = backbone(csts, csts_id, mask=mask)               # padded jets
    model = kaon_torch.load("model.safetensors")                       # with its head
    scores = model(csts, csts_id, mask=mask)["scores"]
"""

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError:
    raise ModuleNotFoundError("kaon_torch needs PyTorch: pip install './python[torch]'") from None

from .backbone import Backbone, Normformer, Transformer
from .embeddings import Embeddings, read_embeddings, write_embeddings
from .errors import FormatError
from .files import load, save
from .model import FineTuned
from .onnx_file import export_onnx
from .packing import pack, pad
from .preprocessing import QuantilePreprocessing, StandardPreprocessing

__all__ = [
    "Backbone", "Embeddings", "FineTuned", "FormatError", "Normformer", "QuantilePreprocessing",
    "StandardPreprocessing", "Transformer", "export_onnx", "load", "pack", "pad", "read_embeddings", "save",
    "write_embeddings",
]
