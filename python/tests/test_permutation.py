import numpy as np
import pytest

from kaon_data.permutation import Permutation

PLACES = [163, 94, 374, 355, 732]


@pytest.mark.parametrize("n", [1, 2, 3, 10, 1000, 4096, 4097])
def test_every_number_has_a_place_of_its_own(n):
    assert sorted(Permutation(n, seed=5)(np.arange(n))) == list(range(n))


def test_any_part_can_be_computed_alone():
    permutation = Permutation(100_000_000, seed=1)
    numbers = np.array([0, 12_345_678, 99_999_999])
    assert permutation(numbers).tolist() == [permutation([n])[0] for n in numbers]


def test_the_places_do_not_change_between_versions():
    assert Permutation(1000, seed=0)(np.arange(5)).tolist() == PLACES
    assert Permutation(1000, seed=1)(np.arange(5)).tolist() != PLACES


def test_the_places_are_uniform_and_neighbours_are_independent():
    n, cells = 20_000, 20
    places = Permutation(n, seed=3)(np.arange(n)) * cells // n
    pairs = np.bincount(places[:-1] * cells + places[1:], minlength=cells**2)
    chi2 = ((pairs - n / cells**2) ** 2 / (n / cells**2)).sum()
    # Of 399 degrees of freedom: mean 399, deviation 28.
    assert abs(chi2 - 399) < 5 * 28


def test_small_permutations_are_all_about_equally_likely():
    seen = {}
    for seed in range(2400):
        order = tuple(Permutation(4, seed)(np.arange(4)))
        seen[order] = seen.get(order, 0) + 1
    assert len(seen) == 24
    assert 50 < min(seen.values()) and max(seen.values()) < 160
