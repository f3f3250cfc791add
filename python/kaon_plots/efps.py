"""Energy flow polynomials of jets (Komiske, Metodiev and Thaler, arXiv:1712.07124).

A polynomial is a multigraph: of every vertex a sum over the constituents i of a jet with weights z_i, of every edge a
factor θ_ij,

    EFP = Σ_{i1 … iN} z_{i1} … z_{iN} Π_{edges (k, l)} θ_{ik il},   z = pT / pT of the jet,   θ² = Δη² + Δφ²,

which is the measure `hadr` with β = 1 of EnergyFlow. A graph of several parts is the product of its parts.
"""

import itertools

import awkward as ak
import numpy as np

from .panels import momenta

#: Elements of the matrices θ of the jets that are computed together.
_ELEMENTS = 1_000_000
#: The connected multigraphs with the number of their edges, as `_connected` computes them.
GRAPHS = {
    "line": 1,
    "double": 2, "path": 2,
    "triple": 3, "path_double": 3, "triangle": 3, "long_path": 3, "star": 3,
    "quadruple": 4, "path_triple": 4, "path_two_doubles": 4, "triangle_double": 4,
    "long_path_double_end": 4, "long_path_double_middle": 4, "star_double": 4, "square": 4, "triangle_leg": 4,
    "longest_path": 4, "fork": 4, "large_star": 4,
}
#: Those with four vertices and four edges, of which JetNet reports the mean Wasserstein distance.
FOUR_VERTICES = ["long_path_double_end", "long_path_double_middle", "star_double", "square", "triangle_leg"]


def connected(jets):
    """The polynomials of `GRAPHS` of jets from `kaon_data.read`, a dictionary of arrays [jets], and under `dot` the sum
    of all z."""
    constituents = jets.constituents
    counts = ak.to_numpy(ak.num(constituents))
    order = np.argsort(counts, kind="stable")
    transverse = np.where((found := momenta(constituents)[0]) > 0, found, 1)
    result = {name: np.zeros(len(counts)) for name in ("dot", *GRAPHS)}
    start = 0
    while start < len(order):
        # Jets with about as many constituents are padded with z = 0.
        size = max(1, _ELEMENTS // max(1, int(counts[order[start]])) ** 2)
        while size > 1 and size * int(counts[order[min(start + size, len(order)) - 1]]) ** 2 > _ELEMENTS:
            size //= 2
        chosen = order[start:start + size]
        length = max(1, int(counts[chosen].max()))
        pt, eta, phi = (_padded(constituents[name][chosen], length) for name in ("pt", "deta", "dphi"))
        for name, values in _connected(pt / transverse[chosen, None], eta, phi).items():
            result[name][chosen] = values
        start += size
    return result


def features(polynomials):
    """All 36 polynomials with up to four edges, [jets, 36]: `dot`, and all products of connected ones."""
    columns = [polynomials["dot"]]
    for parts in range(1, 5):
        for names in itertools.combinations_with_replacement(GRAPHS, parts):
            if sum(GRAPHS[name] for name in names) <= 4:
                columns.append(np.prod([polynomials[name] for name in names], axis=0))
    return np.stack(columns, axis=1)


def _padded(values, length):
    return ak.to_numpy(ak.fill_none(ak.pad_none(values, length, clip=True), 0)).astype(np.float64)


def _connected(z, eta, phi):
    """Sums over the vertices, [jets] each, of z, Δη and Δφ [jets, constituents]. Sums over leaves come first: `s[k]` is
    that over a leaf at the end of k edges, and `w` that over a path of two edges."""
    one = np.sqrt((eta[:, :, None] - eta[:, None, :]) ** 2 + (phi[:, :, None] - phi[:, None, :]) ** 2)
    two = one * one

    def over(matrix, vector):
        return np.matmul(matrix, vector[:, :, None])[:, :, 0]

    def total(vector):
        return np.einsum("ji,ji->j", z, vector)

    def pairs(left, matrix, right):
        return np.einsum("ji,ji->j", z * left, over(matrix, z * right))

    s = {1: over(one, z), 2: over(two, z), 3: over(one * two, z), 4: over(two * two, z)}
    w = over(one, z * s[1])
    # Both ends of a path of two edges.
    ends = np.matmul(one * z[:, None, :], one)
    ones = np.ones_like(z)
    return {
        "dot": z.sum(axis=1),
        "line": total(s[1]),
        "double": total(s[2]),
        "path": total(s[1] ** 2),
        "triple": total(s[3]),
        "path_double": total(s[1] * s[2]),
        "triangle": pairs(ones, one * ends, ones),
        "long_path": total(s[1] * w),
        "star": total(s[1] ** 3),
        "quadruple": total(s[4]),
        "path_triple": total(s[1] * s[3]),
        "path_two_doubles": total(s[2] ** 2),
        "triangle_double": pairs(ones, two * ends, ones),
        "long_path_double_end": total(s[2] * w),
        "long_path_double_middle": pairs(s[1], two, s[1]),
        "star_double": total(s[1] ** 2 * s[2]),
        "square": pairs(ones, ends * ends, ones),
        "triangle_leg": pairs(s[1], one * ends, ones),
        "longest_path": total(w**2),
        "fork": total(s[1] ** 2 * w),
        "large_star": total(s[1] ** 4),
    }
