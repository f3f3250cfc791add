"""A seeded permutation of 0 ..< n that needs no memory: each number is mapped independently."""

import numpy as np

_ROUNDS = 8


class Permutation:
    """Pseudorandom permutation of 0 ..< n.

    A balanced Feistel network of eight rounds permutes the numbers below the next power of four; a result outside
    0 ..< n is permuted again until it is inside (cycle walking). The permutation depends only on `n` and `seed`, not on
    the version of numpy, and any part of it can be computed separately.
    """

    def __init__(self, n, seed):
        self.n = n
        self._half = np.uint64(max(1, (max(n - 1, 1).bit_length() + 1) // 2))
        self._mask = np.uint64((1 << int(self._half)) - 1)
        with np.errstate(over="ignore"):
            state = _mix(np.uint64(seed % 2**64) ^ _mix(np.uint64(n)))
            self._keys = [_mix(state + np.uint64(step + 1)) for step in range(_ROUNDS)]

    def __call__(self, numbers):
        """The positions of these numbers, as int64."""
        places = np.array(numbers, dtype=np.uint64)
        if self.n < 2:
            return places.astype(np.int64)
        outside = np.arange(len(places))
        while len(outside):
            places[outside] = self._permute(places[outside])
            outside = outside[places[outside] >= self.n]
        return places.astype(np.int64)

    def _permute(self, numbers):
        left, right = numbers >> self._half, numbers & self._mask
        with np.errstate(over="ignore"):
            for key in self._keys:
                left, right = right, left ^ (_mix(right ^ key) & self._mask)
        return (left << self._half) | right


def _mix(x):
    """The finalizer of SplitMix64: every bit of the result depends on every bit of x."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
