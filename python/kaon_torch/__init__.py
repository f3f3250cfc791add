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

from importlib import import_module

_MODULES = {
    "backbone": ["Backbone", "Normformer", "Transformer"],
    "embeddings": ["Embeddings", "read_embeddings", "write_embeddings"],
    "errors": ["FormatError"],
    "files": ["load", "save"],
    "model": ["FineTuned"],
    "onnx_file": ["export_onnx"],
    "packing": ["pack", "pad"],
    "preprocessing": ["QuantilePreprocessing", "StandardPreprocessing"],
}
__all__ = sorted(name for names in _MODULES.values() for name in names)


def __getattr__(name):
    """Imports a module with PyTorch on first use, so that the command has its help without it."""
    for module, names in _MODULES.items():
        if name in names:
            try:
                return getattr(import_module(f".{module}", __name__), name)
            except ModuleNotFoundError as error:
                if error.name != "torch":
                    raise
                raise ModuleNotFoundError(
                    "kaon_torch needs PyTorch: pip install './python[torch]'", name="torch") from None
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
