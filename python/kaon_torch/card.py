"""The model card beside an ONNX file."""

import os

from .errors import FormatError
from .onnx_file import backbone_of, input_names, output_names

_HEADING = "## ONNX\n"


def write_card(module, path, noise="kaon", may_replace=False, is_trial=False):
    """Writes `README.md` beside an ONNX file: the card that `kaon export --card` has stored in the export, with a
    section about the ONNX file. The card of the same model is replaced, of another one only if allowed.

    Returns the path; with `is_trial` nothing is written. Raises `FormatError`.
    """
    card = module.metadata.get("card")
    if not card:
        raise FormatError("the export has no model card; create it with 'kaon export --card'")
    place = os.path.join(os.path.dirname(path), "README.md")
    try:
        if os.path.exists(place) and not may_replace:
            with open(place, encoding="utf-8") as file:
                if not file.read().startswith(card):
                    raise FormatError(f"{place} already exists and is not the card of this model; --force replaces it")
        if is_trial:
            return place
        temporary = f"{place}.tmp-{os.getpid()}"
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(card + "\n" + _section(module, path, noise))
        os.replace(temporary, place)
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{place} cannot be written: {error}") from None
    return place


def _section(module, path, noise):
    columns = backbone_of(module).stored_features
    shapes = {
        "csts": f"float32 [jets, slots, {len(columns)}], {', '.join(columns)} as stored, constituents by decreasing pT",
        "csts_id": "int32 [jets, slots]", "mask": "bool [jets, slots], true for constituents",
        "jets": "int64 [jets], indices of the jets in their file, for the noise of neutral constituents",
        "reference": f"float32 [jets], {getattr(module, 'relative_to', None)}, which the predictions are relative to",
    }
    lines = [f"- input `{name}`: {shapes[name]}" for name in input_names(module, noise)]
    lines += [f"- output `{name}`" for name in output_names(module)]
    name = os.path.basename(path)
    return f"{_HEADING}\n`{name}` contains the same model for onnxruntime, with its preprocessing:\n\n" + "\n".join(
        lines) + f"\n\n```python\nsession = onnxruntime.InferenceSession(\"{name}\")\n```\n"
