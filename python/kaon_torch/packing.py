"""Jets one after the other (packed), and jets in rows of equal length (padded)."""

import torch


def pad(x, offsets):
    """Packed `[tokens, ...]` to `[jets, longest, ...]`, and a mask `[jets, longest]`, true where there is a constituent.

    `offsets` `[jets + 1]` says where each jet begins among the tokens.
    """
    counts = offsets[1:] - offsets[:-1]
    longest = int(counts.max()) if len(counts) else 0
    mask = torch.arange(longest, device=x.device) < counts.to(x.device)[:, None]
    padded = x.new_zeros(*mask.shape, *x.shape[1:])
    padded[mask] = x
    return padded, mask


def pack(x, mask):
    """The opposite: the rows where the mask is true, one jet after the other, and where each jet begins."""
    counts = mask.sum(1)
    return x[mask], torch.cat([counts.new_zeros(1), counts.cumsum(0)])
