"""The noise that replaces the impact parameters of neutral constituents, with the same numbers as in kaon.

Philox4x32-10 (Salmon et al., SC11) is counter-based: the numbers are a function of seed, jet and constituent.
"""

import numpy as np

STREAM = 5      # the stream of this noise in kaon
WORD = np.uint64(0xFFFFFFFF)
SHIFT = np.uint64(32)


def philox(counter, key):
    """Ten rounds on four words, given as arrays of uint64 with 32-bit values; `key` is a pair of 32-bit numbers."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (
            (p1 >> SHIFT) ^ c1 ^ np.uint64(k0), p1 & WORD, (p0 >> SHIFT) ^ c3 ^ np.uint64(k1), p0 & WORD)
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


def box_muller(first, second):
    """Two standard normal numbers from two words."""
    radius = np.sqrt(-2 * np.log((first.astype(np.float64) + 1) * 2.0**-32))
    angle = 2 * np.pi * second.astype(np.float64) * 2.0**-32
    return (radius * np.cos(angle)).astype(np.float32), (radius * np.sin(angle)).astype(np.float32)


def neutral_noise(seed, jets, places, epoch=0):
    """`[jets, places, 4]`: noise for d0, σ(d0), dz and σ(dz) of each position in each jet."""
    jets = np.asarray(jets, np.uint64)[:, None]
    places = np.arange(places, dtype=np.uint64)[None, :]
    jets, places = np.broadcast_arrays(jets, places)
    counter = (
        places << np.uint64(16), jets & WORD, np.uint64(epoch << 8) | (jets >> SHIFT),
        np.full(jets.shape, STREAM, np.uint64))
    words = philox(counter, (seed & 0xFFFFFFFF, seed >> 32))
    return np.stack([*box_muller(words[0], words[1]), *box_muller(words[2], words[3])], -1)
