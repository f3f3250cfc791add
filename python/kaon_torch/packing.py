"""Conversion between packed jets (concatenated) and padded jets (rows of equal length)."""

import torch


def pad(x, offsets):
    """Packed `[tokens, ...]` to padded `[jets, longest, ...]`, and a mask `[jets, longest]`, true for constituents.

    `offsets` `[jets + 1]` is the start of each jet among the tokens.
    """
    counts = offsets[1:] - offsets[:-1]
    longest = int(counts.max()) if len(counts) else 0
    mask = torch.arange(longest, device=x.device) < counts.to(x.device)[:, None]
    padded = x.new_zeros(*mask.shape, *x.shape[1:])
    padded[mask] = x
    return padded, mask


def front_first(mask):
    """The slots of each jet `[jets, slots]`, used slots first, otherwise in order."""
    return torch.argsort((~mask).to(torch.uint8), dim=1, stable=True)


def take_slots(x, slots):
    """Reorders the slots of each jet of `[jets, slots, ...]`."""
    return torch.take_along_dim(x, slots.reshape(*slots.shape, *[1] * (x.dim() - 2)), dim=1)


def pack(x, mask):
    """The inverse of `pad`: the concatenated rows where the mask is true, and the offsets of the jets."""
    counts = mask.sum(1)
    return x[mask], torch.cat([counts.new_zeros(1), counts.cumsum(0)])
