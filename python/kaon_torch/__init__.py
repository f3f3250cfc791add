"""Backbones trained by kaon as PyTorch modules.

    kaon export runs/mpmv2-kmeans/checkpoints/best --output backbone.safetensors

    import kaon_torch
    backbone = kaon_torch.load("backbone.safetensors")
    encodings, offsets = backbone(csts, csts_id, offsets=offsets)      # packed jets
    encodings, mask = backbone(csts, csts_id, mask=mask)               # padded jets
"""

from .backbone import Backbone, Normformer, Transformer
from .embeddings import Embeddings, read_embeddings, write_embeddings
from .errors import FormatError
from .files import load, save
from .packing import pack, pad
from .preprocessing import QuantilePreprocessing, StandardPreprocessing

__all__ = [
    "Backbone", "Embeddings", "FormatError", "Normformer", "QuantilePreprocessing", "StandardPreprocessing",
    "Transformer", "load", "pack", "pad", "read_embeddings", "save", "write_embeddings",
]
