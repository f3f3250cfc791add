"""Conversion of JetClass files."""

import awkward as ak
import h5py
import makers
import numpy as np
import pytest
from test_physics import scalar_signs

import kaon_data
from kaon_data.formats import JETCLASS


def converted(run, tmp_path, arrays, **options):
    source = makers.write_root(tmp_path / "in.root", arrays)
    return kaon_data.read(run(source, mix=False, **options) / "jets_000.h5")


def expected_jet(arrays, jet, as_published=False):
    """One jet computed with scalar code: rows of seven features and an identity, by decreasing pT."""
    rows = []
    jet_pt, jet_eta, jet_phi = (float(arrays[f"jet_{name}"][jet]) for name in ("pt", "eta", "phi"))
    part = {name: ak.to_list(arrays[f"part_{name}"][jet]) for name in
            ["px", "py", "deta", "dphi", "d0val", "d0err", "dzval", "dzerr", "charge", *makers.FLAGS]}
    for i in range(len(part["px"])):
        pt = (part["px"][i] ** 2 + part["py"][i] ** 2) ** 0.5
        deta, dphi = part["deta"][i], part["dphi"][i]
        true = deta if as_published or jet_eta > 0 else -deta
        d0, dz = scalar_signs(
            part["d0val"][i], part["dzval"][i], pt, jet_eta + true, jet_phi + dphi, jet_pt, jet_eta, jet_phi
        )
        kind = next(flag for flag in makers.FLAGS if part[flag][i])
        charge = part["charge"][i]
        number = {"isPhoton": 0, "isElectron": 4 + (charge > 0), "isMuon": 6 + (charge > 0)}.get(kind, 2 + charge)
        clip = [min(max(angle, -0.8), 0.8) for angle in (deta, dphi)]
        rows.append([pt, *clip, d0, part["d0err"][i], dz, part["dzerr"][i], number])
    return np.array(sorted(rows, key=lambda row: -row[0]))


@pytest.mark.parametrize("as_published", [False, True])
def test_constituents_agree_with_scalar_code(run, tmp_path, as_published):
    arrays = makers.jetclass_arrays(60, seed=3)
    jets = converted(run, tmp_path, arrays, as_published=as_published)
    for jet in range(60):
        constituents = jets.constituents[jet]
        found = np.stack([ak.to_numpy(constituents[name]) for name in [*kaon_data.FEATURES, "id"]], axis=1)
        np.testing.assert_allclose(found, expected_jet(arrays, jet, as_published), rtol=1e-6, atol=1e-7)


def test_published_signs_differ_only_where_the_jet_goes_backward(run, tmp_path):
    arrays = makers.jetclass_arrays(60, seed=3)
    right = converted(run, tmp_path, arrays)
    wrong = converted(run, tmp_path, arrays, name="published", as_published=True)
    differs = ak.to_numpy(ak.any(right.constituents.dz != wrong.constituents.dz, axis=1))
    assert not differs[arrays["jet_eta"] > 0].any()
    assert differs[arrays["jet_eta"] < 0].mean() > 0.8
    assert ak.all(abs(right.constituents.dz) == abs(wrong.constituents.dz))
    assert ak.all(right.constituents.deta == wrong.constituents.deta)


def test_constituents_fall_in_pt_and_the_softest_go(run, tmp_path):
    arrays = makers.jetclass_arrays(40, seed=4)
    everything = converted(run, tmp_path, arrays)
    few = converted(run, tmp_path, arrays, name="few", max_constituents=10)
    pt = everything.constituents.pt
    assert ak.all(pt[:, 1:] <= pt[:, :-1])
    assert ak.max(ak.num(few.constituents)) == 10
    assert ak.array_equal(few.constituents.pt, everything.constituents.pt[:, :10])
    assert "lost the softest" in run.said


def test_equal_pt_keeps_the_order_of_the_source(run, tmp_path):
    arrays = makers.jetclass_arrays(5, seed=5)
    for name in ("part_px", "part_py"):
        arrays[name] = ak.values_astype(ak.ones_like(arrays[name]), "f4")
    jets = converted(run, tmp_path, arrays)
    clipped = np.clip(ak.to_numpy(ak.flatten(arrays["part_dphi"])), -0.8, 0.8)
    np.testing.assert_array_equal(ak.to_numpy(ak.flatten(jets.constituents.dphi)), clipped)


def test_angles_are_clipped_but_signs_are_from_the_full_ones(run, tmp_path):
    arrays = makers.jetclass_arrays(30, seed=6)
    jets = converted(run, tmp_path, arrays)
    assert ak.max(abs(arrays["part_deta"])) > 0.8
    for name in ("deta", "dphi"):
        assert ak.max(abs(jets.constituents[name])) == np.float32(0.8)


def test_labels_and_jets_are_those_of_the_source(run, tmp_path):
    arrays = makers.jetclass_arrays(10, seed=7)
    for label in JETCLASS.classes:
        arrays[f"label_{label}"] = np.array([name == label for name in JETCLASS.classes], "i4")
    path = run(makers.write_root(tmp_path / "in.root", arrays), mix=False) / "jets_000.h5"
    with h5py.File(path) as file:
        assert file["labels"][:].tolist() == list(range(10))
        assert list(file["labels"].attrs["names"]) == list(JETCLASS.classes)
        assert file["labels"].attrs["counts"].tolist() == [1] * 10
        assert list(file["jets"].attrs["names"]) == ["pt", "eta", "phi", "sdmass", "num_csts"]
        counts = ak.num(arrays["part_px"])
        names = ["jet_pt", "jet_eta", "jet_phi", "jet_sdmass"]
        np.testing.assert_array_equal(file["jets"][:], np.stack([*(arrays[n] for n in names), counts], axis=1))
