"""Energy mover's distance of jets (Komiske, Metodiev and Thaler, arXiv:1902.02346), coverage and MMD (Kansal et al.,
arXiv:2106.11535)."""

import importlib.util

import awkward as ak
import numpy as np

from .panels import momenta

#: Jets of each sample, and number of samples.
_JETS, _BATCHES = 100, 10


def mover_distance(a, b):
    """The least work to turn a jet into another, Σ f_ij θ_ij + |Σ z_a − Σ z_b|; rows of a jet are z, Δη, Δφ, and the
    distance at which z appears or vanishes is 1."""
    from ot import emd2

    left, right = a[:, 0], b[:, 0]
    if not len(a) or not len(b):
        return float(left.sum() + right.sum())
    theta = np.sqrt((a[:, None, 1] - b[None, :, 1]) ** 2 + (a[:, None, 2] - b[None, :, 2]) ** 2)
    excess = left.sum() - right.sum()
    # One more constituent, at distance 1 of all others, takes up the difference.
    if excess > 0:
        right, theta = np.append(right, excess), np.pad(theta, ((0, 0), (0, 1)), constant_values=1)
    elif excess < 0:
        left, theta = np.append(left, -excess), np.pad(theta, ((0, 1), (0, 0)), constant_values=1)
    if not (total := left.sum()):
        return 0.0
    return float(total * emd2(left / total, right / right.sum(), np.ascontiguousarray(theta), check_marginals=False))


def coverage_and_mmd(data, generated, seed=42):
    """Coverage and minimum matching distance of arrays of jets from `kaon_data.read`, each with its error.

    Of 100 jets each, coverage is the fraction of the jets of data that are nearest to some generated jet, and MMD the
    mean distance of the jets of data to their nearest generated jet; averaged over ten samples. The error is that of
    the number of samples without common jets, at most ten: NaN for fewer than 200 jets.
    """
    random = np.random.default_rng(seed)
    found = []
    for _ in range(_BATCHES):
        real, made = (_rows(jets[random.choice(len(jets), min(_JETS, len(jets)), replace=False)])
                      for jets in (data, generated))
        matrix = np.array([[mover_distance(each, other) for other in real] for each in made])
        found.append((len(np.unique(matrix.argmin(axis=1))) / len(real), matrix.min(axis=0).mean()))
    means = np.mean(found, axis=0)
    independent = min(_BATCHES, min(len(data), len(generated)) // _JETS)
    errors = np.std(found, axis=0, ddof=1) / np.sqrt(independent) if independent > 1 else np.full(2, np.nan)
    return [(float(mean), float(error)) for mean, error in zip(means, errors)]


def is_installed():
    """True with the package POT, which solves the transport problem."""
    return importlib.util.find_spec("ot") is not None


def _rows(jets):
    """z, Δη and Δφ of the constituents of each jet, z = pT / pT of the jet."""
    transverse = momenta(jets.constituents)[0]
    return [np.stack([np.maximum(ak.to_numpy(each.pt), 0) / (pt or 1), ak.to_numpy(each.deta), ak.to_numpy(each.dphi)],
                     axis=1).astype(np.float64)
            for each, pt in zip(jets.constituents, transverse)]
