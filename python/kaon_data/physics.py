"""Formulas of the conversion, on flat arrays with one element per constituent."""

import numpy as np


def lifetime_signed(d0, dz, pt, eta, phi, jet_pt, jet_eta, jet_phi):
    """Impact parameters with lifetime signs: positive if the track crosses the jet axis in front of the vertex.

    |d0| takes the sign of (jet × track) · (track × −m), where m is the point of closest approach,
    m = (d0 cos(φ − π/2), d0 sin(φ − π/2), dz), and |dz| that of dz (η_jet − η). Angles are in the detector frame, not
    relative to the jet. (ATL-PHYS-PUB-2020-014)
    """
    track = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    jet = jet_pt * np.cos(jet_phi), jet_pt * np.sin(jet_phi), jet_pt * np.sinh(jet_eta)
    closest = -d0 * np.cos(phi - np.pi / 2), -d0 * np.sin(phi - np.pi / 2), -dz
    side = sum(a * b for a, b in zip(_cross(jet, track), _cross(track, closest)))
    return np.abs(d0) * np.sign(side), np.abs(dz) * np.sign(dz * (jet_eta - eta))


def _cross(a, b):
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def wrapped(angle):
    """The angle mapped to −π … π."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def jet_observables(offsets, pt, deta, dphi):
    """pT and mass of jets from their constituents as massless particles; 0 for a jet without constituents."""
    jets = len(offsets) - 1
    owner = np.repeat(np.arange(jets), np.diff(offsets))

    def total(values):
        return np.bincount(owner, values, jets)

    px, py = total(pt * np.cos(dphi)), total(pt * np.sin(dphi))
    # E + pz and E − pz, whose product is E² − pz².
    plus, minus = total(pt * np.exp(deta)), total(pt * np.exp(-deta))
    return np.hypot(px, py), np.sqrt(np.maximum(plus * minus - px**2 - py**2, 0))


def whole(values):
    """The values as integers, 0 for non-finite ones."""
    return np.where(np.isfinite(values), values, 0).astype(np.int64)


def identities(charge, photon, hadron, electron, muon):
    """Indices in `IDENTITIES`; −1 where flags and charge match none of them."""
    number = np.full(len(charge), -1, np.int64)
    sign = np.sign(charge)
    number[photon] = 0
    number[hadron] = (2 + sign)[hadron]
    for leptons, first in ((electron, 4), (muon, 6)):
        charged = leptons & (sign != 0)
        number[charged] = (first + (sign > 0))[charged]
    return number


def is_charm_hadron(pdg):
    """True for PDG numbers of charmed mesons and baryons."""
    pdg = np.abs(pdg)
    return ((pdg > 410) & (pdg < 436)) | ((pdg > 4120) & (pdg < 4445))


def is_bottom_hadron(pdg):
    """True for PDG numbers of bottom mesons and baryons."""
    pdg = np.abs(pdg)
    return ((pdg > 510) & (pdg < 546)) | ((pdg > 5120) & (pdg < 5555))
