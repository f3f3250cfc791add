"""A backbone with the head of a downstream task."""

import torch
from torch import nn

from .backbone import padded
from .heads import ClassAttentionPooling, MeanPooling, PairHead, Perceptron, WeightedPooling, components
from .packing import pack

#: The objectives of fine-tuned models.
TASKS = ("classification", "cwola", "regression", "vertexing", "track_origin")
#: Tasks with one answer for each jet.
_OF_JETS = ("classification", "cwola", "regression")
#: Largest absolute value of the logarithm of a predicted width.
_WIDTH_LIMIT = 7.0
#: Names of the origins of tracks, in the order of `origin_scores`.
ORIGINS = ["primary", "c", "b", "other"]


def make_head(task, configuration, inputs, classes, tensors):
    """The head of a task without its weights.

    Raises `ValueError` for a task or a head that this version does not have."""
    options = configuration.get("head") or {}

    def get(name, default):
        return options.get(name, default)

    if task in _OF_JETS:
        has_width = task == "regression" and configuration["regression"].get("loss") == "gaussian"
        outputs = {"classification": classes, "cwola": 2, "regression": 2 if has_width else 1}[task]
        kind = get("name", "class_attention")
        if kind == "weighted_pooling":
            return WeightedPooling(inputs, outputs)
        if kind == "mean_pooling":
            return MeanPooling(inputs, outputs, get("width", 512))
        if kind == "class_attention":
            return ClassAttentionPooling(
                inputs, outputs, get("width", 128), get("layers", 2), get("heads", 4),
                get("feedforward_multiplier", 1), get("dropout", 0.2),
                # Configurations of earlier versions do not have the key, and their heads no norms.
                "head.layers.0.attention_norm.weight" in tensors)
        raise ValueError(f"this version of kaon_torch does not have the head {kind}")
    if task == "track_origin":
        widths = [inputs, *[get("width", 128)] * get("layers", 2), len(ORIGINS)]
        return Perceptron(widths, get("activation", "leaky_relu"), get("norm", False), get("dropout", 0.0))
    if task == "vertexing":
        distances = get("distances", 128)
        return PairHead(
            inputs, get("width", 128), get("layers", 3), inputs if distances == "backbone" else distances,
            get("activation", "silu"), get("norm", False), get("dropout", 0.0))
    raise ValueError(f"this version of kaon_torch does not have the head of the objective {task}")


class FineTuned(nn.Module):
    """Maps jets to the predictions of a fine-tuned model, as a dictionary with the names in `predictions.h5`.

    `classes` are the names of the columns of the scores; `task` is the objective of the run. A regression has the mean
    and deviation of its target as `standardisation`, and the number that it is relative to as `relative_to`.
    """

    def __init__(self, backbone, head, task, classes=(), standardisation=None, relative_to=None):
        super().__init__()
        self.backbone, self.head = backbone, head
        self.task, self.classes, self.relative_to = task, list(classes), relative_to
        self.register_buffer("standardisation", standardisation, persistent=False)
        # Metadata of the file, and its tensors that are not parameters.
        self.metadata, self.untrained = {}, {}

    def forward(self, csts, csts_id, offsets=None, mask=None, jets=None, noise="kaon", reference=None):
        """Predictions for packed or padded jets, with the arguments of `Backbone`, and `reference` [jets], the numbers
        that a regression is relative to (`regression.relative_to`).

        | task | name | shape for packed jets, as in `predictions.h5` | shape for padded jets |
        |---|---|---|---|
        | `classification` | `scores` | [jets, classes] | the same |
        | `cwola` | `scores` | [jets], of the sample with signal | the same |
        | `regression` | `predicted`, and `sigma` with the loss `gaussian` | [jets] | the same |
        | `track_origin` | `origin_scores` | [constituents, 4] | [J, L, 4] |
        | `vertexing` | `pair_scores` | [pairs], (0, 1), (0, 2) … (1, 2) … of each jet | [J, L, L] |
        | | `predicted_vertex` | [constituents] | [J, L], −1 in unused slots |

        Scores of unused slots are 0.
        """
        result, used = self.predict(*padded(csts, csts_id, offsets, mask), jets, noise, reference)
        return result if offsets is None else {name: _packed(name, values, used) for name, values in result.items()}

    def predict(self, csts, csts_id, mask, jets=None, noise="kaon", reference=None):
        """Predictions for padded jets with a mask of bools, and the mask of the constituents that are used."""
        if self.relative_to and reference is None:
            raise TypeError(f"the predictions are relative to {self.relative_to}: give these numbers as reference")
        logits, used = self.logits(csts, csts_id, mask, jets, noise)
        if self.task == "classification":
            return {"scores": logits.softmax(1)}, used
        if self.task == "cwola":
            return {"scores": logits.softmax(1)[:, 1]}, used
        if self.task == "regression":
            mean, deviation = self.standardisation
            factor = reference if self.relative_to else 1
            found = {"predicted": (logits[:, 0] * deviation + mean) * factor}
            if self.head.outputs == 2:
                found["sigma"] = logits[:, 1].clamp(-_WIDTH_LIMIT, _WIDTH_LIMIT).exp() * deviation * factor
            return found, used
        if self.task == "track_origin":
            return {"origin_scores": logits.softmax(2) * used[:, :, None]}, used
        pairs = used[:, :, None] & used[:, None]
        return {
            "pair_scores": logits.sigmoid() * pairs,
            "predicted_vertex": components(logits > 0, used, self.backbone.max_constituents or mask.shape[1]),
        }, used

    def logits(self, csts, csts_id, mask, jets=None, noise="kaon"):
        """What the loss is computed from, for padded jets: `[J, classes]`, for a regression the standardised number
        (and the logarithm of its width), `[J, L, 4]` or, for pairs, `[J, L, L]`; and the mask of the constituents that
        are used."""
        encodings, encoded = self.backbone.encode_padded(csts, csts_id, mask, jets, noise)
        used = encoded[:, self.backbone.registers:]
        if self.task in _OF_JETS:
            return self.head(encodings, encoded), used
        return self.head(encodings[:, self.backbone.registers:], used), used


def _packed(name, values, used):
    if name in ("scores", "predicted", "sigma"):
        return values
    if name == "pair_scores":
        count = used.shape[1]
        upper = torch.ones(count, count, dtype=torch.bool, device=used.device).triu(1)
        return values[upper & used[:, :, None] & used[:, None]]
    return pack(values, used)[0]
