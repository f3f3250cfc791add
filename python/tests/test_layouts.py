"""Writing and reading both layouts."""

import json

import awkward as ak
import h5py
import makers
import numpy as np
import pytest
from trained import kaon, needs_kaon

import kaon_data
from kaon_data.layouts import COMPRESSIONS


@pytest.mark.parametrize("form", ["jetclass", "btag"])
def test_both_layouts_hold_the_same(run, sources, tmp_path, form):
    if form == "btag":
        sources = makers.write_root(tmp_path / "btag.root", makers.btag_arrays(70))
    packed = kaon_data.read(run(sources, "packed", form) / "jets_000.h5")
    padded = kaon_data.read(run(sources, "padded", form, layout="padded") / "jets_000.h5")
    assert len(packed) == (70 if form == "btag" else 150)
    assert ak.array_equal(packed, padded, dtype_exact=False)


def test_the_packed_layout_is_as_documented(run, sources):
    with h5py.File(run(sources) / "jets_000.h5") as file:
        assert file.attrs["layout"] == "kaon packed" and file.attrs["layout_version"] == 1
        assert "mask" not in file
        offsets = file["offsets"][:]
        assert offsets.dtype == np.int64 and offsets[0] == 0 and (np.diff(offsets) > 0).all()
        assert file["csts"].shape == (offsets[-1], 7) and file["csts"].dtype == np.float32
        assert file["csts_id"].shape == (offsets[-1],) and file["csts_id"].dtype == np.uint8
        assert file["labels"].dtype == np.uint8
        assert list(file["csts"].attrs["names"]) == kaon_data.FEATURES
        assert list(file["csts_id"].attrs["names"]) == kaon_data.IDENTITIES
        np.testing.assert_array_equal(file["jets"][:, 4], np.diff(offsets))
        assert file.attrs["sources"].split("\n") == ["HToBB_000.root", "TTBar_000.root", "more/ZJetsToNuNu_000.root"]
        assert file.attrs["created_by"].startswith("kaon_data")
        assert all(file[name].fletcher32 and file[name].shuffle for name in file)


@needs_kaon
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("layout", ["packed", "padded"])
def test_kaon_reads_every_compression(run, sources, layout, compression):
    folder = run(sources, layout=layout, compression=compression)
    assert json.loads(kaon("inspect", "--json", folder / "jets_000.h5"))["usable"]


@pytest.mark.parametrize("layout", ["packed", "padded"])
def test_a_range_of_jets_of_several_files(run, sources, layout):
    folder = run(sources, layout=layout, jets_per_file=40)
    everything = kaon_data.read(folder / "*.h5")
    assert len(everything) == 150
    assert ak.array_equal(kaon_data.read(folder), everything)
    part = kaon_data.read([folder / f"jets_{i:03d}.h5" for i in range(4)], 30, 90)
    assert ak.array_equal(part, everything[30:90])
    assert len(kaon_data.read(folder / "*.h5", 20, 20)) == 0


@pytest.mark.parametrize(
    ("names", "fields"),
    [
        (None, {"pt": 0, "eta": 1, "phi": 2, "mass": 3}),
        (["mass", "sdmass", "phi", "eta", "pt"], {"pt": 4, "eta": 3, "phi": 2, "mass": 0}),
        (["tau21", "sdmass", "groomed_mass", "pt"], {"pt": 3, "mass": 1}), (["tau21"], {}),
    ],
)
def test_columns_of_jets_are_found_by_their_names(run, sources, names, fields):
    path = run(sources) / "jets_000.h5"
    with h5py.File(path, "r+") as file:
        jets = file["jets"][:]
        del file["jets"].attrs["names"]
        if names:
            file["jets"].attrs["names"] = names
    found = kaon_data.read(path)
    assert {name for name in ("pt", "eta", "phi", "mass") if name in found.fields} == set(fields)
    for name, column in fields.items():
        np.testing.assert_array_equal(found[name], jets[:, column])


def test_the_name_of_the_mass_is_kept(run, sources, tmp_path):
    from kaon_plots import panels

    soft = kaon_data.read(run(sources))
    btag = kaon_data.read(run(makers.write_root(tmp_path / "btag.root", makers.btag_arrays(30)), "btag", "btag"))
    assert (soft.attrs["mass"], btag.attrs["mass"]) == ("sdmass", "mass")
    for arrays, label in (([soft], "soft-drop mass [GeV]"), ([btag], "jet mass [GeV]"),
                          ([soft, btag], "jet or soft-drop mass [GeV]")):
        assert panels.of(arrays, panels.JET_MASS).label == label
    assert panels.of([soft], panels.JET_MASS, calculated=True).label == "jet mass [GeV]"


def test_chunks_of_many_constituents_are_small(run, sources):
    with h5py.File(run(sources, layout="padded", max_constituents=10_000) / "jets_000.h5") as file:
        assert file["csts"].chunks == (14, 10_000, 7) and file["labels"].chunks == (150,)
        assert file["mask"].chunks == (150, 10_000)


def test_jets_with_fewer_columns_than_names_are_refused(run, sources):
    path = run(sources) / "jets_000.h5"
    with h5py.File(path, "r+") as file:
        file["jets"].attrs["names"] = ["pt", "eta", "phi", "mass", "tau21", "tau32"]
    with pytest.raises(kaon_data.DataError, match="expected pt, eta, phi, mass, tau21, tau32 of each jet"):
        kaon_data.read(path)


def test_reading_says_what_is_wrong(tmp_path):
    with pytest.raises(kaon_data.DataError, match="does not exist"):
        kaon_data.read(tmp_path / "nothing.h5")
    (tmp_path / "text.h5").write_text("no")
    with pytest.raises(kaon_data.DataError, match="text.h5 cannot be opened"):
        kaon_data.read(tmp_path / "text.h5")
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    with pytest.raises(kaon_data.DataError, match="/labels is missing"):
        kaon_data.read(tmp_path / "empty.h5")


@pytest.mark.parametrize("layout", ["packed", "padded"])
def test_jets_without_vertices(run, tmp_path, layout):
    arrays = makers.btag_arrays(30)
    for name in ("x", "y", "z", "L3D"):
        arrays[f"true_vtx_{name}"] = ak.unflatten(np.zeros(0, "f4"), np.zeros(30, int))
    folder = run(makers.write_root(tmp_path / "b.root", arrays), form="btag", layout=layout)
    with h5py.File(folder / "jets_000.h5") as file:
        assert file["vtx_pos"].shape == (30, 1, 4) and not file["vtx_pos"][:].any()
