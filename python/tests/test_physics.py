"""The formulas compared with scalar code."""

import math

import numpy as np
import pytest

from kaon_data import physics


def scalar_signs(d0, dz, pt, eta, phi, jet_pt, jet_eta, jet_phi):
    def cross(a, b):
        return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]

    def vector(pt, eta, phi):
        return [pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta)]

    track, jet = vector(pt, eta, phi), vector(jet_pt, jet_eta, jet_phi)
    m = [d0 * math.cos(phi - math.pi / 2), d0 * math.sin(phi - math.pi / 2), dz]
    side = sum(a * b for a, b in zip(cross(jet, track), cross(track, [-x for x in m])))
    return math.copysign(abs(d0), side), math.copysign(abs(dz), dz * (jet_eta - eta))


def test_lifetime_signs_agree_with_scalar_code():
    rng = np.random.default_rng(1)
    values = np.stack([
        rng.normal(0, 1, 500), rng.normal(0, 1, 500), rng.exponential(5, 500), rng.normal(0, 1, 500),
        rng.uniform(-3, 3, 500), rng.exponential(500, 500), rng.normal(0, 1, 500), rng.uniform(-3, 3, 500),
    ])
    d0, dz = physics.lifetime_signed(*values)
    expected = np.array([scalar_signs(*row) for row in values.T])
    np.testing.assert_array_equal(d0, expected[:, 0])
    np.testing.assert_array_equal(dz, expected[:, 1])


@pytest.mark.parametrize("side", [1, -1])
def test_a_track_from_a_decay_in_flight_has_positive_d0(side):
    # The jet points along x; its hadron decays after 5 mm, and the track leaves at an angle of ±0.1.
    phi = 0.1 * side
    closest = np.array([5 * np.sin(phi) * np.sin(phi), -5 * np.sin(phi) * np.cos(phi)])
    d0 = closest @ [np.cos(phi - np.pi / 2), np.sin(phi - np.pi / 2)]
    arguments = (np.array([x]) for x in (d0, 0.0, 5.0, 0.0, phi, 500.0, 0.0, 0.0))
    signed, _ = physics.lifetime_signed(*arguments)
    assert abs(signed[0]) == pytest.approx(5 * np.sin(0.1))
    assert signed[0] > 0


def test_identities_follow_flags_and_charge():
    #                     photon h−  h0  h+  e−  e+  μ−  μ+  nothing, electron without charge
    charge = np.array([0, -1, 0, 1, -1, 1, -1, 1, 1, 0])
    flags = [np.isin(np.arange(10), numbers) for numbers in ([0], [1, 2, 3], [4, 5, 9], [6, 7])]
    assert physics.identities(charge, *flags).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, -1, -1]


def test_heavy_hadrons_are_known_by_their_numbers():
    numbers = np.array([421, -411, 4122, 511, -5122, 211, 310, 22])
    assert physics.is_charm_hadron(numbers).tolist() == [True, True, True] + [False] * 5
    assert physics.is_bottom_hadron(numbers).tolist() == [False] * 3 + [True, True] + [False] * 3


@pytest.mark.parametrize("column", [0, 1, 2])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30, 40.0])
def test_a_jet_does_not_change_others(column, value):
    rng = np.random.default_rng(2)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(0, 40, 3000))])
    values = np.stack([rng.exponential(10, offsets[-1]), *rng.normal(0, 0.2, (2, offsets[-1]))])
    before = physics.jet_observables(offsets, *values)
    jet = np.flatnonzero(np.diff(offsets))[5]
    values[column, offsets[jet]] = value
    with np.errstate(all="ignore"):
        after = physics.jet_observables(offsets, *values)
    for one, other in zip(before, after):
        np.testing.assert_array_equal(np.delete(one, jet), np.delete(other, jet))
        assert not one[np.diff(offsets) == 0].any()


def test_observables_agree_with_scalar_code():
    offsets = np.array([0, 3, 3, 4])
    pt, deta, dphi = np.array([[100, 30, 7, 5], [0.1, -2, 4.5, 1], [3, -0.4, 1, 2]], float)
    found = physics.jet_observables(offsets, pt, deta, dphi)
    energy, *momentum = (
        math.fsum(part[:3]) for part in (pt * np.cosh(deta), pt * np.cos(dphi), pt * np.sin(dphi), pt * np.sinh(deta)))
    mass = math.sqrt(energy**2 - sum(each**2 for each in momentum))
    np.testing.assert_allclose(found, [[math.hypot(*momentum[:2]), 0, 5], [mass, 0, 0]], rtol=1e-12, atol=1e-6)


def test_angles_are_wrapped():
    np.testing.assert_allclose(physics.wrapped(np.array([3.5, -3.5, 1.0])), [3.5 - 2 * np.pi, 2 * np.pi - 3.5, 1.0])
