"""The noise that replaces the impact parameters of neutral constituents, with the same numbers as in kaon.

Philox4x32-10 (Salmon et al., SC11) is counter-based: the numbers are a function of seed, jet and constituent. Words of
32 bits are in tensors of int64, and products are split such that they fit, because ONNX has no unsigned arithmetic.
"""

import math

import torch

STREAM = 5      # the stream of this noise in kaon
HALF = 1 << 16
WORD = 1 << 32


def philox(counter, key):
    """Ten rounds on four words, given as tensors of int64 with 32-bit values; `key` is a pair of 32-bit numbers."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = _product(c0, 0xD2511F53)
        high2, low2 = _product(c2, 0xCD9E8D57)
        c0, c1, c2, c3 = high2 ^ c1 ^ k0, low2, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) % WORD, (k1 + 0xBB67AE85) % WORD
    return c0, c1, c2, c3


def _product(word, factor):
    """The high and the low word of a product of two words."""
    low = word % HALF * factor
    middle = low // HALF + word // HALF * factor
    return middle // HALF, middle % HALF * HALF + low % HALF


def box_muller(first, second):
    """Two standard normal numbers from two words."""
    radius = torch.sqrt(-2 * torch.log((first.double() + 1) / WORD))
    angle = 2 * math.pi / WORD * second.double()
    # The sine with a phase: not every runtime has a cosine in double precision.
    return (radius * torch.sin(angle + math.pi / 2)).float(), (radius * torch.sin(angle)).float()


def neutral_noise(seed, jets, places, epoch=0):
    """`[jets, places, 4]`: noise for d0, σ(d0), dz and σ(dz) of each position in each jet; `jets` (int64) are their
    indices in the file."""
    jets = jets[:, None] + torch.zeros_like(places)
    places = places + torch.zeros_like(jets)
    counter = (
        places * HALF, jets % WORD, jets // WORD + (epoch << 8), torch.full_like(jets, STREAM))
    words = philox(counter, (seed % WORD, seed // WORD))
    return torch.stack([*box_muller(words[0], words[1]), *box_muller(words[2], words[3])], -1)
