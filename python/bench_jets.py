"""Synthetic jets for bench_pytorch.py: generated, masked and divided into micro-batches with numpy."""

import numpy as np
import torch

FEATURES = 7
IDENTITIES = 8
MAX_CONSTITUENTS = 128
REGISTERS = 8
DROPPED_FRACTION = 0.4
FEED_FORWARD_MULTIPLIER = 2


def synthetic_jets(random, count):
    """Returns numbers of constituents (quantiles as in JetClass: 5 % 18, median 38, 95 % 67), features, identities."""
    z = random.standard_normal(count)
    counts = np.rint(38 * np.exp(z * np.where(z < 0, 0.454, 0.345))).astype(np.int64)
    counts = counts.clip(1, MAX_CONSTITUENTS)
    values = random.standard_normal((counts.sum(), FEATURES), dtype=np.float32)
    return counts, values, random.integers(IDENTITIES, size=counts.sum())


def starts_of(counts):
    return np.cumsum(counts) - counts


def ranges(starts, counts):
    """The concatenated ranges starts[i] ..< starts[i] + counts[i]."""
    return np.repeat(starts - starts_of(counts), counts) + np.arange(counts.sum())


def interleaved(*parts):
    """For every jet the ranges of all parts (starts, counts), concatenated."""
    starts, counts = (np.stack(columns, axis=1).ravel() for columns in zip(*parts))
    return torch.from_numpy(ranges(starts, counts))


class Attended:
    """Blocks of rows for attention: rows 0 ..< lengths[0] are the first jet, and so on; only padding needs a mask."""

    def __init__(self, lengths, mask=None):
        self.mask = mask
        changes = np.flatnonzero(np.diff(lengths)) + 1
        first = np.concatenate([[0], changes])
        # Consecutive jets of equal length form one block [jets, length].
        self.blocks = list(zip(np.diff([*first, len(lengths)]).tolist(), lengths[first].tolist()))
        self.rows = [jets * length for jets, length in self.blocks]


class MicroBatch:
    """Jets divided into survivors and dropped constituents, with all indices that the model needs.

    With `slots` every jet is padded to that many constituents: a fixed part of the slots for the survivors, the others
    for the null tokens.
    """

    def __init__(self, random, counts, values, identities, slots=None):
        dropped = np.floor(DROPPED_FRACTION * counts).astype(np.int64)
        survivors = counts - dropped
        jet = np.repeat(np.arange(len(counts)), counts)
        # Drop the first constituents of each jet in random order.
        order = np.lexsort((random.random(len(jet)), jet))
        is_dropped = np.zeros(len(jet), bool)
        is_dropped[order[ranges(starts_of(counts), dropped)]] = True

        null = dropped if slots is None else np.full_like(counts, int(DROPPED_FRACTION * slots))
        seen = survivors if slots is None else slots - null
        encoded = REGISTERS + seen
        decoded = encoded + null
        place = ranges(starts_of(seen), survivors)
        shown = np.zeros((seen.sum(), FEATURES), np.float32)
        shown[place] = values[~is_dropped]
        shown_identities = np.zeros(seen.sum(), np.int64)
        shown_identities[place] = identities[~is_dropped]

        def attended(lengths, *real):
            if slots is None:
                return Attended(lengths)
            mask = np.concatenate([np.arange(size) < part[:, None] for size, part in real], axis=1)
            return Attended(lengths, torch.from_numpy(mask)[:, None, None, :])

        registers = np.full_like(counts, REGISTERS)
        self.values = torch.from_numpy(shown)
        self.identities = torch.from_numpy(shown_identities)
        self.encoder = attended(encoded, (REGISTERS, registers), (seen[0], survivors))
        self.encoder_index = interleaved((0 * counts, registers), (REGISTERS + starts_of(seen), seen))
        self.decoder = attended(decoded, (REGISTERS, registers), (seen[0], survivors), (null[0], dropped))
        self.decoder_index = interleaved(
            (starts_of(encoded), encoded), (np.full_like(counts, encoded.sum()), null))
        self.dropped_rows = torch.from_numpy(ranges(starts_of(decoded) + encoded, dropped))
        self.target_values = torch.from_numpy(values[is_dropped])
        self.target_identities = torch.from_numpy(identities[is_dropped])
        self.survivors, self.dropped = survivors, dropped

    def operations(self, options):
        """Floating-point operations of the matrix products, forward and backward, without padding."""
        def stack(lengths, width, layers):
            products = (4 + 3 * FEED_FORWARD_MULTIPLIER) * width * width * lengths.sum()
            return layers * (6 * products + 12 * width * (lengths.astype(float) ** 2).sum())

        encoded = REGISTERS + self.survivors
        # The input needs no gradient.
        embedding = 4 * self.survivors.sum() * FEATURES * options.width
        outputs = IDENTITIES + options.clusters + (FEATURES if options.regression else 0)
        heads = 6 * self.dropped.sum() * options.decoder_width * outputs
        return (embedding + stack(encoded, options.width, options.layers)
                + 6 * encoded.sum() * options.width * options.decoder_width
                + stack(encoded + self.dropped, options.decoder_width, options.decoder_layers) + heads)


def micro_batches(random, count, options):
    counts, values, identities = synthetic_jets(random, count)
    # Sorted by length, a micro-batch has few different lengths.
    packed = not (options.padded or options.padded_to)
    order = np.argsort(counts, kind="stable") if packed else np.arange(count)
    starts = starts_of(counts)
    for first in range(0, count, options.micro_batch):
        part = order[first:first + options.micro_batch]
        tokens = ranges(starts[part], counts[part])
        slots = None if packed else options.padded_to or int(counts[part].max())
        yield MicroBatch(random, counts[part], values[tokens], identities[tokens], slots)
