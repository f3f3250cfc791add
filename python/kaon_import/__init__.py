"""Imports models of the authors' public PyTorch code (jetssl) as files that kaon reads like its own exports.

    kaon-import backbone.ckpt --output backbone.safetensors
"""

from .imported import import_model
from .layout import Generation
from .torch_files import read_torch

__all__ = ["Generation", "import_model", "read_torch"]
