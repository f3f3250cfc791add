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


def pack(x, mask):
    """The inverse of `pad`: the concatenated rows where the mask is true, and the offsets of the jets."""
    counts = mask.sum(1)
    return x[mask], torch.cat([counts.new_zeros(1), counts.cumsum(0)])
