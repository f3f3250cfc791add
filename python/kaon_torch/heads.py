"""The heads of downstream tasks. Parameters have the same names as in kaon. J jets, L positions, C channels."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from .backbone import GatedFeedForward, attend


class CrossAttention(nn.Module):
    """Attention of one token of each jet to the encodings of the jet."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x, context, mask):
        jets, count, width = context.shape
        q = self.query(x).view(jets, 1, self.heads, width // self.heads).transpose(1, 2)
        k, v = self.key_value(context).view(jets, count, 2, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        return self.output(attend(q, k, v, mask).reshape(jets, width))


class ClassAttentionLayer(nn.Module):
    """c ← c + attention(norm(c), x); c ← c + feedforward(norm(c)); the norms are optional."""

    def __init__(self, width, heads, multiplier, dropout, has_norm):
        super().__init__()
        self.dropout = dropout
        self.attention_norm = nn.LayerNorm(width) if has_norm else nn.Identity()
        self.attention = CrossAttention(width, heads)
        self.feedforward_norm = nn.LayerNorm(width) if has_norm else nn.Identity()
        self.feedforward = GatedFeedForward(width, multiplier)

    def forward(self, c, context, mask):
        c = c + F.dropout(self.attention(self.attention_norm(c), context, mask), self.dropout, self.training)
        return c + F.dropout(self.feedforward(self.feedforward_norm(c)), self.dropout, self.training)


class ClassAttentionPooling(nn.Module):
    """A learned class token attends to the encodings in every layer: `[J, L, C]` to `[J, outputs]`."""

    def __init__(self, inputs, outputs, width, layers, heads, multiplier=1, dropout=0.2, has_norm=True):
        super().__init__()
        self.outputs = outputs
        self.embedding = nn.Linear(inputs, width)
        self.token = nn.Parameter(torch.randn(1, width))
        self.layers = nn.ModuleList(
            ClassAttentionLayer(width, heads, multiplier, dropout, has_norm) for _ in range(layers))
        self.output = nn.Linear(width, outputs)

    def forward(self, x, mask):
        context, c = self.embedding(x), self.token.expand(x.shape[0], -1)
        for layer in self.layers:
            c = layer(c, context, mask)
        return self.output(c)


class WeightedPooling(nn.Module):
    """The mean of the encodings, weighted with the softmax of a learned score, and a linear map."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.outputs = outputs
        self.score = nn.Linear(inputs, 1)
        self.classifier = nn.Linear(inputs, outputs)

    def forward(self, x, mask):
        scores = self.score(x).squeeze(-1)
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        weights = torch.softmax(scores, 1) * mask
        return self.classifier((weights[:, :, None] * x).sum(1))


class MeanPooling(nn.Module):
    """The mean of the encodings, a linear map without bias, and a linear map."""

    def __init__(self, inputs, outputs, width):
        super().__init__()
        self.outputs = outputs
        self.projection = nn.Linear(inputs, width, bias=False)
        self.classifier = nn.Linear(width, outputs)

    def forward(self, x, mask):
        mean = (x * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        return self.classifier(self.projection(mean))


class Perceptron(nn.Module):
    """h ← dropout(norm(activation(W h + b))) in every hidden layer, then a linear map; the norm is optional."""

    ACTIVATIONS = {"silu": F.silu, "gelu": F.gelu, "leaky_relu": lambda x: F.leaky_relu(x, 0.1)}

    def __init__(self, widths, activation, has_norm=False, dropout=0.0):
        super().__init__()
        self.activation, self.dropout = self.ACTIVATIONS[activation], dropout
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in zip(widths, widths[1:]))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in widths[1:-1] if has_norm)

    def forward(self, x, mask=None):
        x = self.layers[0](x)
        for number, layer in enumerate(self.layers[1:]):
            x = self.activation(x)
            if self.norms:
                x = self.norms[number](x)
            x = layer(F.dropout(x, self.dropout, self.training))
        return x


class PairHead(nn.Module):
    """The logit that two constituents come from the same vertex, g(|f(x_i) − f(x_j)|): `[J, L, C]` to `[J, L, L]`."""

    def __init__(self, inputs, width, layers, distances, activation, has_norm=False, dropout=0.0):
        super().__init__()
        self.f = Perceptron([inputs, *[width] * layers, distances], activation, has_norm, dropout)
        self.g = nn.Linear(distances, 1)

    def forward(self, x, mask=None):
        y = self.f(x)
        return self.g((y[:, :, None] - y[:, None]).abs()).squeeze(-1)


def components(accepted, mask, longest):
    """The connected component of every constituent `[J, L]`, numbered in the order of first appearance, from accepted
    pairs `[J, L, L]`; −1 for unused slots. `longest` is the largest number of constituents of a jet."""
    count = mask.shape[1]
    place = torch.arange(count, device=mask.device)
    reached = (accepted & mask[:, :, None] & mask[:, None]) | (place[:, None] == place)
    # Each product doubles the length of the chains.
    for _ in range(math.ceil(math.log2(max(2, longest)))):
        reached = reached.float() @ reached.float() > 0
    first = torch.where(reached, place, count).amin(2)
    number = ((first == place) & mask).to(torch.int64).cumsum(1) - 1
    return torch.where(mask, number.gather(1, first), -1)
