"""Histograms with statistical errors, overflow bins and ratios, and distances of samples."""

from dataclasses import dataclass, field

import numpy as np

_BINS = 30
#: The smallest number of bins, and values per bin below which there are fewer than `_BINS`.
_LEAST_BINS, _VALUES_PER_BIN = 10, 10
#: mm: the axis of impact parameters is linear below, logarithmic above.
LINEAR = 0.05
_TAIL = 0.001
#: Bootstrap samples of the error of a distance, and their seed.
_REPLICAS, _SEED = 50, 42


@dataclass(frozen=True)
class Binning:
    """Bins of equal width on the page."""

    edges: np.ndarray
    scale: str = "linear"
    #: Whether a bin for the values below (above) the range is drawn.
    underflow: bool = False
    overflow: bool = False

    @property
    def middles(self):
        """The middles of all drawn bins on the page."""
        places = _page(self.drawn, self.scale)
        return _values((places[1:] + places[:-1]) / 2, self.scale)

    @property
    def drawn(self):
        """The edges of all drawn bins: those of underflow and overflow are as wide on the page as their neighbours."""
        places = _page(self.edges, self.scale)
        more = [places]
        if self.underflow:
            more.insert(0, [2 * places[0] - places[1]])
        if self.overflow:
            more.append([2 * places[-1] - places[-2]])
        edges = _values(np.concatenate(more), self.scale)
        edges[self.underflow:len(edges) - self.overflow] = self.edges
        return edges

    def places(self, values):
        """The index of the drawn bin of each value, −1 outside the drawn bins. The last bin within the range includes
        its upper edge; values that are not finite are overflow."""
        places = np.searchsorted(self.edges, values, side="right") - 1
        places[values == self.edges[-1]] = len(self.edges) - 2
        places += self.underflow
        places[places >= len(self.edges) - 1 + self.underflow + self.overflow] = -1
        return places

    def with_overflow(self, samples):
        """The same bins, with those of underflow and overflow if a sample has values there."""
        outside = [(np.any(values < self.edges[0]), np.any(~(values <= self.edges[-1]))) for values, _ in samples]
        return Binning(self.edges, self.scale, *(any(each) for each in zip(*outside)))


@dataclass(frozen=True)
class Histogram:
    """Fractions of the values in the drawn bins, and their statistical errors."""

    binning: Binning
    fractions: np.ndarray
    errors: np.ndarray = field(repr=False)

    def density(self, panel):
        """Density and its error: fractions divided by the bin widths, except for categories."""
        widths = 1 if panel.scale == "categories" else np.diff(self.binning.drawn)
        return self.fractions / widths, self.errors / widths


def histogram(sample, binning):
    """Fills a histogram with a sample: values, and the number of the jet of each.

    The values of one jet are correlated, jets are not. With n_jb values of jet j in bin b, n_j values of that jet and
    N in total, the fraction is f_b = Σ_j n_jb / N and its variance Σ_j (n_jb − f_b n_j)² / N²; for one value per jet
    this is the binomial f (1 − f) / N. Values outside the range are part of N.
    """
    values, numbers = sample
    # One more column for the values outside the drawn bins.
    size, total = len(binning.drawn), max(len(values), 1)
    places = binning.places(values) % size
    jets = numbers.max(initial=-1) + 1
    counts = np.bincount(numbers * size + places, minlength=jets * size).reshape(jets, size)
    own = counts.sum(axis=1)
    fractions = counts.sum(axis=0) / total
    squares = np.einsum("jb,jb->b", counts, counts) - 2 * fractions * (own @ counts) + fractions**2 * (own @ own)
    errors = np.sqrt(np.maximum(squares, 0)) / total
    return Histogram(binning, fractions[:-1], errors[:-1])


def ratio(one, reference):
    """The ratio of two histograms, the part of its error from the first, and the relative error of the second; NaN
    where the reference is empty."""
    below = np.where(reference.fractions > 0, reference.fractions, np.nan)
    return one.fractions / below, one.errors / below, reference.errors / below


def bins(samples, panel, count=_BINS):
    """Bins over the range that contains nearly all values of every sample (values, numbers of jets): at most `count`,
    and fewer for small samples, whose statistical errors would hide the shape."""
    values = [each for each, _ in samples]
    smallest = min((len(each) for each in values if len(each)), default=0)
    count = min(count, max(_LEAST_BINS, smallest // _VALUES_PER_BIN))
    if panel.scale == "categories":
        return Binning(np.arange(len(panel.categories) + 1) - 0.5)
    if panel.scale == "integer":
        top = max(np.quantile(each, 1 - _TAIL) for each in values)
        step = max(1, int(np.ceil(top / count)))
        return Binning(np.arange(0, top + 2 * step, step) - 0.5)
    low = min(np.quantile(each, _TAIL) for each in values)
    high = max(np.quantile(each, 1 - _TAIL) for each in values)
    if panel.scale == "symmetric":
        high = max(abs(low), abs(high)) or 1
        return Binning(np.linspace(-high, high, count + 1))
    if panel.scale == "signed":
        half = np.linspace(0, _page(max(abs(low), abs(high), 2 * LINEAR), "signed"), count // 2 + 1)
        return Binning(_values(np.concatenate([-half[:0:-1], half]), "signed"), "signed")
    if panel.scale == "log":
        positive = [each[each > 0] for each in values]
        low = min((np.quantile(each, _TAIL) for each in positive if len(each)), default=1)
        return Binning(np.geomspace(low, max(high, 1.01 * low), count + 1), "log")
    return Binning(np.linspace(low, high if high > low else low + 1, count + 1))


def _page(values, scale):
    """Places on the page, where the bins have equal widths."""
    if scale == "log":
        return np.log10(values)
    if scale == "signed":
        size = np.abs(values) / LINEAR
        # The linear half has length 1, and so has every decade beyond.
        return np.sign(values) * np.where(size < 1, size, 1 + np.log10(np.maximum(size, 1)))
    return np.asarray(values, float)


def _values(places, scale):
    """The inverse of `_page`."""
    if scale == "log":
        return 10.0**places
    if scale == "signed":
        size = np.abs(places)
        return np.sign(places) * np.where(size < 1, size * LINEAR, LINEAR * 10 ** (np.maximum(size, 1) - 1))
    return np.array(places, float)


def wasserstein(a, b):
    """The Wasserstein distance of two samples: the area between their cumulative distribution functions."""
    a, b = np.sort(a).astype(float), np.sort(b).astype(float)
    points = np.sort(np.concatenate([a, b]))
    below = [np.searchsorted(each, points[:-1], side="right") / len(each) for each in (a, b)]
    return float(np.sum(np.abs(below[0] - below[1]) * np.diff(points)))


def baseline(sample):
    """The distance of data to data: of the values of the jets with even numbers to those with odd numbers; NaN for a
    single jet."""
    even = sample[1] % 2 == 0
    return wasserstein(sample[0][even], sample[0][~even]) if even.any() and not even.all() else float("nan")


def wasserstein_error(a, b, is_paired=False):
    """The standard deviation of the Wasserstein distance of two samples (values, numbers of jets) over bootstrap
    samples of the jets; those of both samples are drawn together if they are the same jets. NaN for a single jet."""
    jets = [numbers.max(initial=-1) + 1 for _, numbers in (a, b)]
    if is_paired:
        jets = [max(jets)] * 2
    if min(jets) < 2:
        return float("nan")
    values = np.concatenate([a[0], b[0]]).astype(float)
    order = np.argsort(values)
    gaps = np.diff(values[order])
    random = np.random.default_rng(_SEED)
    distances = []
    for _ in range(_REPLICAS):
        drawn = [np.bincount(random.integers(size, size=size), minlength=size) for size in jets]
        if is_paired:
            drawn[1] = drawn[0]
        own = [times[numbers] for times, (_, numbers) in zip(drawn, (a, b))]
        # The difference of the cumulative distributions is a sum of weights, positive for a, negative for b.
        weights = np.concatenate([own[0] / max(own[0].sum(), 1), -own[1] / max(own[1].sum(), 1)])
        distances.append(np.abs(np.cumsum(weights[order])[:-1]) @ gaps)
    return float(np.std(distances, ddof=1))


def baseline_error(sample):
    """The bootstrap error of `baseline`."""
    values, numbers = sample
    even = numbers % 2 == 0
    return wasserstein_error((values[even], numbers[even] // 2), (values[~even], numbers[~even] // 2))
