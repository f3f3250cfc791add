"""Distances of samples of features: Fréchet and kernel physics distance (Kansal et al., arXiv:2211.10295).

The definitions and constants are those of the package `jetnet`, except that samples are drawn without replacement:
extrapolation and kernel are then unbiased for samples of a few thousand jets, too.
"""

import numpy as np

#: Smallest and largest number of jets between which the Fréchet distance is extrapolated, points, and samples for each.
_LEAST, _MOST, _POINTS, _SAMPLES = 20_000, 50_000, 10, 20
#: Largest number of jets of a sample for the kernel distance, and number of samples.
_BATCH, _BATCHES = 5_000, 10
_DEGREE = 4
_ROWS = 1_000


def gaussian_distance(x, y):
    """The Fréchet distance of two samples [jets, features] as normal distributions,
    |μ₁ − μ₂|² + Tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½)."""
    difference = x.mean(axis=0) - y.mean(axis=0)
    one, two = (np.atleast_2d(np.cov(each, rowvar=False)) for each in (x, y))
    # The eigenvalues of Σ₁ Σ₂ are those of the symmetric Σ₁^½ Σ₂ Σ₁^½, and are not negative.
    values, vectors = np.linalg.eigh(one)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    mixed = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ two @ root), 0)).sum()
    return float(difference @ difference + np.trace(one) + np.trace(two) - 2 * mixed)


def frechet(data, generated, seed=42):
    """FPD and its error: the distance of N jets each, averaged over samples, extrapolated linearly in 1/N to 0. The
    error is that of the extrapolation alone: samples of the same jets do not show how other jets would differ."""
    x, y = _normalised(data, generated)
    jets = min(len(x), len(y))
    most = min(_MOST, jets)
    sizes = (1 / np.linspace(_MOST / (_LEAST * most), 1 / most, _POINTS)).astype(int)
    random = np.random.default_rng(seed)
    means = [np.mean([gaussian_distance(_drawn(x, size, random), _drawn(y, size, random)) for _ in range(_SAMPLES)])
             for size in sizes]
    return _intercept(1 / sizes, np.array(means))


def kernel(data, generated, seed=42):
    """KPD and its error: median and half the central 67 % interval, over samples, of the unbiased squared maximum mean
    discrepancy with the kernel (x·y / d + 1)⁴ for d features. Samples have jets in common unless there are ten times as
    many, so that the true error is larger."""
    x, y = _normalised(data, generated)
    size = min(_BATCH, min(len(x), len(y)) // 2)
    random = np.random.default_rng(seed)
    values = [_discrepancy(_drawn(x, size, random), _drawn(y, size, random)) for _ in range(_BATCHES)]
    low, high = np.percentile(values, (16.275, 83.725))
    return float(np.median(values)), float(high - low) / 2


def _normalised(data, generated):
    """Features divided by their largest value in the data."""
    scale = np.abs(data).max(axis=0)
    scale[scale == 0] = 1
    return data / scale, generated / scale


def _drawn(values, size, random):
    return values[random.choice(len(values), size, replace=False)]


def _discrepancy(x, y):
    own = sum((_kernel_sum(each, each) - np.sum(_power(np.einsum("jf,jf->j", each, each), each)))
              / (len(each) * (len(each) - 1)) for each in (x, y))
    return own - 2 * _kernel_sum(x, y) / (len(x) * len(y))


def _kernel_sum(x, y):
    return sum(np.sum(_power(x[start:start + _ROWS] @ y.T, x)) for start in range(0, len(x), _ROWS))


def _power(products, features):
    return (products / features.shape[1] + 1) ** _DEGREE


def _intercept(x, y):
    """Intercept of a line a + b x with a, b ≥ 0 and its error, from the scatter of the points."""
    slope, intercept = np.polyfit(x, y, 1)
    if intercept < 0:
        intercept, slope = 0.0, max(0.0, x @ y / (x @ x))
    elif slope < 0:
        intercept, slope = max(0.0, y.mean()), 0.0
    scatter = np.sum((y - intercept - slope * x) ** 2) / (len(x) - 2)
    variance = scatter * (x @ x) / (len(x) * (x @ x) - x.sum() ** 2)
    return float(intercept), float(np.sqrt(variance))
