"""The networks. Parameters have the same names as in kaon. J jets, L positions, C channels, H heads."""

import torch
import torch.nn.functional as F
from torch import nn

from .packing import inverse, pack, pad, places, take_slots
from .preprocessing import FEATURES, stored_columns, stored_features


def attend(q, k, v, mask, pairs=None):
    """Attention of queries `[J, H, M, C]` to keys and values `[J, H, L, C]` where the mask `[J, L]` is true, with an
    optional bias of pairs `[J, H, M, L]`; zero for a jet without any."""
    keys = mask[:, None, None, :]
    # A finite bias, and values of 0: the softmax of a jet without keys is not NaN in any runtime.
    bias = torch.zeros_like(keys, dtype=q.dtype) if pairs is None else pairs.to(q.dtype)
    bias = bias.masked_fill(~keys, torch.finfo(q.dtype).min)
    return F.scaled_dot_product_attention(q, k, v * mask[:, None, :, None], attn_mask=bias)


class Attention(nn.Module):
    """Self-attention among the constituents of each jet; version 1 has a norm before the output map."""

    def __init__(self, width, heads, has_norm=False, dropout=0.0):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.norm = nn.LayerNorm(width) if has_norm else nn.Identity()
        self.output = nn.Linear(width, width)

    def forward(self, x, mask, bias=None):
        jets, places, width = x.shape
        q, k, v = self.qkv(x).view(jets, places, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        y = self.norm(attend(q, k, v, mask, bias).transpose(1, 2).reshape(jets, places, width))
        return self.output(F.dropout(y, self.dropout, self.training))


class GatedFeedForward(nn.Module):
    """output(SiLU(a) · v), where input(x) = [a | v]: SwiGLU."""

    def __init__(self, width, multiplier):
        super().__init__()
        self.input = nn.Linear(width, 2 * multiplier * width)
        self.output = nn.Linear(multiplier * width, width)

    def forward(self, x):
        a, v = self.input(x).chunk(2, -1)
        return self.output(F.silu(a) * v)


class NormedFeedForward(nn.Module):
    """output(norm(LeakyReLU(input(x)))), as in a Normformer block."""

    def __init__(self, width, hidden, dropout):
        super().__init__()
        self.dropout = dropout
        self.input = nn.Linear(width, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.output = nn.Linear(hidden, width)

    def forward(self, x):
        x = self.norm(F.leaky_relu(self.input(x), 0.1))
        return self.output(F.dropout(x, self.dropout, self.training))


class Block(nn.Module):
    """x ← x + γ₁ attention(norm₁(x)); x ← x + γ₂ feedforward(norm₂(x))."""

    def __init__(self, width, attention, feedforward, has_scale):
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = attention
        self.feedforward_norm = nn.LayerNorm(width)
        self.feedforward = feedforward
        for name in ("attention_scale", "feedforward_scale"):
            self.register_parameter(name, nn.Parameter(torch.ones(width)) if has_scale else None)

    def forward(self, x, mask, bias=None):
        y = self.attention(self.attention_norm(x), mask, bias)
        x = x + (y if self.attention_scale is None else self.attention_scale * y)
        y = self.feedforward(self.feedforward_norm(x))
        return x + (y if self.feedforward_scale is None else self.feedforward_scale * y)


def wrapped(angle):
    """The angle in −π … π."""
    return torch.remainder(angle + torch.pi, 2 * torch.pi) - torch.pi


def causal_bias(x, bias=None):
    """The bias of attention scores for tokens `x [J, L, C]`, or 0, without the scores of later tokens: `[…, L, L]`."""
    place = torch.arange(x.shape[1], device=x.device)
    bias = x.new_zeros(1, 1, 1, 1) if bias is None else bias
    return bias.masked_fill(place > place[:, None], torch.finfo(x.dtype).min)


class PairBias(nn.Module):
    """Bias of the attention scores of each pair of constituents (arXiv:2202.03772): a perceptron of `ln_dr`, `ln_kt`,
    `ln_z` and `ln_m2`, or of some of them, whose arguments are at least 1e-8."""

    def __init__(self, features, widths, heads):
        super().__init__()
        self.features = features
        widths = [len(features), *widths, heads]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))

    def forward(self, momenta):
        """`momenta [J, L, 3]`: pT, Δη and Δφ of massless constituents; returns `[J, H, L, L]`."""
        pt, eta, phi = momenta.unbind(-1)
        deta, dphi = eta[:, :, None] - eta[:, None], wrapped(phi[:, :, None] - phi[:, None])
        lower, total = torch.minimum(pt[:, :, None], pt[:, None]), pt[:, :, None] + pt[:, None]
        distance = torch.sqrt(deta ** 2 + dphi ** 2)
        values = {
            "ln_dr": distance, "ln_kt": lower * distance,
            "ln_z": lower / total.clamp(min=torch.finfo(pt.dtype).tiny),
            # 2 pT pT (cosh Δη − cos Δφ) without cancellation.
            "ln_m2": 4 * pt[:, :, None] * pt[:, None] * (torch.sinh(deta / 2) ** 2 + torch.sin(dphi / 2) ** 2)}
        x = torch.stack([values[name].clamp(min=1e-8).log() for name in self.features], -1)
        x = x.to(self.layers[0].weight.dtype)
        for layer in self.layers[:-1]:
            x = F.gelu(layer(x))
        return self.layers[-1](x).permute(0, 3, 1, 2)


class Transformer(nn.Module):
    """The encoder of version 2: pre-norm blocks with SwiGLU and LayerScale, and registers prepended to each jet.

    `pairs` is a `PairBias` or None; with `causal`, a token attends only to itself and to those in front of it.
    """

    def __init__(
        self, width, layers, heads, feedforward_multiplier=2, registers=0, layer_scale=True, final_norm=True,
        pairs=None, causal=False
    ):
        super().__init__()
        self.register_count, self.pairs, self.causal = registers, pairs, causal
        if registers:
            self.registers = nn.Parameter(1e-3 * torch.randn(registers, width))
        self.layers = nn.ModuleList(
            Block(width, Attention(width, heads), GatedFeedForward(width, feedforward_multiplier), layer_scale)
            for _ in range(layers))
        self.final_norm = nn.LayerNorm(width) if final_norm else nn.Identity()

    def forward(self, x, mask, momenta=None):
        bias = None
        if self.pairs is not None:
            if momenta is None:
                raise TypeError("this backbone has a bias of pairs: give momenta (pT, Δη, Δφ of each constituent)")
            bias = F.pad(self.pairs(momenta), (self.register_count, 0) * 2)
        if self.register_count:
            x = torch.cat([self.registers.expand(x.shape[0], -1, -1), x], 1)
            mask = torch.cat([mask.new_ones(mask.shape[0], self.register_count), mask], 1)
        if self.causal:
            bias = causal_bias(x, bias)
        for layer in self.layers:
            x = layer(x, mask, bias)
        return self.final_norm(x), mask


class Normformer(nn.Module):
    """The encoder of version 1: Normformer blocks."""

    register_count, pairs = 0, None

    def __init__(self, width, layers, heads, hidden, dropout=0.0, causal=False):
        super().__init__()
        self.causal = causal
        self.layers = nn.ModuleList(
            Block(
                width, Attention(width, heads, True, dropout), NormedFeedForward(width, hidden, dropout), False)
            for _ in range(layers))
        self.final_norm = nn.LayerNorm(width)

    def forward(self, x, mask, momenta=None):
        bias = causal_bias(x) if self.causal else None
        for layer in self.layers:
            x = layer(x, mask, bias)
        return self.final_norm(x), mask


class Embedding(nn.Module):
    """Input embedding of a constituent: a linear map of its values plus embeddings of its identity and its position."""

    def __init__(self, values, width, identities=None, places=None):
        super().__init__()
        self.continuous = nn.Linear(values, width)
        self.identity = nn.Embedding(identities, width) if identities else None
        self.register_parameter("position", nn.Parameter(0.02 * torch.randn(places, width)) if places else None)

    def forward(self, values, identities):
        x = self.continuous(values)
        if self.identity is not None:
            x = x + self.identity(identities)
        if self.position is not None:
            # Constituents beyond the last position are masked.
            index = torch.arange(x.shape[1], device=x.device).clamp(max=len(self.position) - 1)
            x = x + self.position[index]
        return x


class Backbone(nn.Module):
    """Maps features and identities of constituents to one vector for each constituent and each register of a jet.

    `preprocessing` transforms the stored features; `inputs` converts the result to tokens if the network was trained on
    tokens. Of each jet the first `max_constituents` are used.
    """

    def __init__(self, embedding, encoder, preprocessing=None, inputs=None, max_constituents=None):
        super().__init__()
        self.embedding, self.encoder = embedding, encoder
        self.preprocessing, self.inputs = preprocessing, inputs
        self.max_constituents = max_constituents
        # Metadata of the file, and its tensors that are not parameters.
        self.metadata, self.untrained = {}, {}

    @property
    def registers(self):
        """The number of register vectors that precede the constituents of each jet."""
        return self.encoder.register_count

    @property
    def width(self):
        """The number of channels of the encodings."""
        return self.embedding.continuous.out_features

    @property
    def features(self):
        """The features that the network takes."""
        return FEATURES if self.preprocessing is None else self.preprocessing.features

    @property
    def stored_features(self):
        """The columns of `csts`: the seven of jets, then the further features of the network."""
        return stored_features(self.features)

    def stored(self, csts, names):
        """`csts` with the columns `stored_features`, from columns of these names (the attribute `names` of a file).

        As in kaon, the angles η and φ of events are the columns of Δη and Δφ, and columns that the network does not use
        may be missing, which are 0. Raises `ValueError` if a feature of the network is missing.
        """
        names = list(names)
        if lacking := [name for name in self.features if name not in names]:
            raise ValueError(f"the features {', '.join(lacking)} are missing; there are {', '.join(names)}")
        if "deta" not in names and "dphi" not in names:
            angles = {"eta": "deta", "phi": "dphi"}
            names += [angles[name] for name in names if name in angles]
            csts = torch.cat([csts, *(csts[..., [names.index(name)]] for name in names if name in angles)], -1)
        nothing = csts.new_zeros(*csts.shape[:-1], 1)
        return torch.cat([csts[..., [names.index(name)]] if name in names else nothing
                          for name in self.stored_features], -1)

    def forward(self, csts, csts_id, offsets=None, mask=None, jets=None, noise="kaon"):
        """Encodes jets with the columns `stored_features` (F, 7 for jets), constituents by decreasing pT.

        Packed: `csts [tokens, F]`, `csts_id [tokens]`, `offsets [jets + 1]`; returns encodings
        `[tokens + R · jets, C]` and their offsets, as written by `kaon encode`. Padded: `csts [J, L, F]`,
        `csts_id [J, L]`, `mask [J, L]`, with constituents numbered by used slots; returns `[J, R + L, C]` and a mask,
        with the registers first in each jet.

        `noise` replaces the impact parameters of neutral constituents, if the preprocessing requires it: "kaon", the
        same numbers as in `kaon encode`, which depend on the indices of the jets in their file (`jets [J]`; default
        0, 1, …); "random", new numbers from PyTorch; or "zero".
        """
        encodings, padded_mask = self.encode_padded(*padded(csts, csts_id, offsets, mask), jets, noise)
        return (encodings, padded_mask) if offsets is None else pack(encodings, padded_mask)

    def encode_padded(self, csts, csts_id, mask, jets=None, noise="kaon"):
        """The same for padded jets only, with a mask of bools."""
        if csts.shape[-1] <= max(stored_columns(self.features)):
            raise ValueError(f"csts has {csts.shape[-1]} columns; needed are {', '.join(self.stored_features)}")
        back, mask = self._places(mask)
        slots = inverse(back)
        csts, csts_id, mask = (take_slots(x, slots) for x in (csts, csts_id, mask))
        values = csts.float()
        if self.preprocessing is not None:
            values = self.preprocessing(csts, csts_id, jets, noise)
        return self._encode(values, csts_id, mask, back, csts[..., :3].float())

    def encode(self, values, csts_id, mask, momenta=None):
        """Encodes padded, already preprocessed jets: `values [J, L, features]`.

        A backbone with a bias of pairs needs `momenta [J, L, 3]`, pT, Δη and Δφ as stored.
        """
        back, mask = self._places(mask.bool())
        slots = inverse(back)
        if momenta is not None:
            momenta = take_slots(momenta, slots)
        return self._encode(*(take_slots(x, slots) for x in (values, csts_id, mask)), back, momenta)

    def _places(self, mask):
        """The places of slots if constituents come first, and the mask of those that are used."""
        found = places(mask)
        return found, mask if self.max_constituents is None else mask & (found < self.max_constituents)

    def _encode(self, values, csts_id, mask, back, momenta=None):
        """Encodes jets whose constituents come first, and moves the results back to their slots."""
        if self.inputs is not None:
            values = self.inputs(values, mask)
        encodings, mask = self.encoder(self.embedding(values, csts_id.long()), mask, momenta)
        registers = torch.arange(self.registers, device=back.device).expand(back.shape[0], -1)
        back = torch.cat([registers, self.registers + back], 1)
        return take_slots(encodings, back), take_slots(mask, back)


def padded(csts, csts_id, offsets, mask):
    """Padded jets with a mask of bools, from packed jets with offsets or from padded ones."""
    if (offsets is None) == (mask is None):
        raise TypeError("give either the offsets of packed jets or the mask of padded jets")
    if offsets is None:
        return csts, csts_id, mask.bool()
    (csts, mask), (csts_id, _) = pad(csts, offsets), pad(csts_id, offsets)
    return csts, csts_id, mask
