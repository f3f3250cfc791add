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


def places(mask):
    """The place of each slot `[jets, slots]` if used slots come first, otherwise in order."""
    used = mask.to(torch.int64)
    return torch.where(mask, used.cumsum(1), used.sum(1, keepdim=True) + (1 - used).cumsum(1)) - 1


def inverse(places):
    """The slot at each place."""
    slots = torch.arange(places.shape[1], device=places.device).expand_as(places)
    return torch.zeros_like(places).scatter(1, places, slots)


def take_slots(x, slots):
    """Reorders the slots of each jet of `[jets, slots, ...]`."""
    index = slots.reshape(*slots.shape, *[1] * (x.dim() - 2))
    return x.gather(1, index.expand(*slots.shape, *x.shape[2:]))


def pack(x, mask):
    """The inverse of `pad`: the concatenated rows where the mask is true, and the offsets of the jets."""
    counts = mask.sum(1)
    return x[mask], torch.cat([counts.new_zeros(1), counts.cumsum(0)])
