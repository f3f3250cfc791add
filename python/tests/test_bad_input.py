"""Unusable sources: a one-sentence error, and no output that looks complete."""

import subprocess
import sys

import awkward as ak
import h5py
import makers
import numpy as np
import pytest
import uproot

import kaon_data
from kaon_data.cli import convert_jetclass


def fails(run, source, message, **options):
    with pytest.raises(kaon_data.DataError, match=message) as caught:
        run(source, **options)
    assert "\n" not in str(caught.value)


def spoilt(tmp_path, branch, entry, constituent, value):
    arrays = makers.jetclass_arrays(50, seed=1)
    rows = ak.to_list(arrays[branch])
    if constituent is None:
        rows[entry] = value
        arrays[branch] = np.array(rows, arrays[branch].dtype)
    else:
        rows[entry][constituent] = value
        arrays[branch] = ak.values_astype(ak.Array(rows), str(ak.type(arrays[branch]).content.content))
    return makers.write_root(tmp_path / "bad.root", arrays)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_is_named(run, tmp_path, value):
    source = spoilt(tmp_path, "part_dzval", 33, 0, value)
    fails(run, source, rf"bad.root: part_dzval, entry 33, constituent 0 is {value}: .*--skip-bad")
    assert not [*(tmp_path / "out").glob("*.h5")]


def test_a_jet_value_that_is_not_finite_is_named(run, tmp_path):
    fails(run, spoilt(tmp_path, "jet_sdmass", 7, None, np.nan), "bad.root: jet_sdmass, entry 7 is nan")


@pytest.mark.parametrize("branch, constituent", [("jet_eta", None), ("part_deta", 0)])
def test_a_result_that_is_not_finite_is_named(run, tmp_path, branch, constituent):
    source = spoilt(tmp_path, branch, 33, constituent, 1e10)
    fails(run, source, "bad.root: d0, entry 33, constituent 0 is nan: .*--skip-bad", name="no")
    jets = kaon_data.read(run(source, skip_bad=True) / "jets_000.h5")
    assert sorted(jets.pt) == [500 + i for i in range(50) if i != 33]


def test_a_track_whose_direction_is_that_of_the_beam_is_named(run, tmp_path):
    arrays = makers.btag_arrays(50, seed=1)
    rows = ak.to_list(arrays["trk_eta"])
    rows[33][0] = 1e10
    arrays["trk_eta"] = ak.values_astype(ak.Array(rows), "f4")
    source = makers.write_root(tmp_path / "bad.root", arrays)
    fails(run, source, "bad.root: d0, entry 33, constituent 0 is nan", form="btag")


def test_a_value_beyond_single_precision_is_named(run, tmp_path):
    arrays = makers.jetclass_arrays(50, seed=1)
    arrays["jet_sdmass"] = arrays["jet_sdmass"].astype("f8")
    arrays["jet_sdmass"][7] = 1e39
    fails(run, makers.write_root(tmp_path / "bad.root", arrays), r"bad.root: jet_sdmass, entry 7 is 1e\+39")


def test_bad_jets_can_be_left_out(run, tmp_path):
    source = spoilt(tmp_path, "part_px", 33, 0, np.nan)
    jets = kaon_data.read(run(source, skip_bad=True) / "jets_000.h5")
    assert sorted(jets.pt) == [500 + i for i in range(50) if i != 33]
    assert "1 jets with unusable values were skipped" in run.said


def test_a_jet_of_two_classes_is_named(run, tmp_path):
    fails(run, spoilt(tmp_path, "label_Hbb", 12, None, 1), "label_.*entry 12 has no class, or more than one")


def test_a_constituent_of_no_identity_is_named(run, tmp_path):
    arrays = makers.jetclass_arrays(50, seed=1)
    for flag in makers.FLAGS:
        arrays[f"part_{flag}"] = ak.values_astype(ak.zeros_like(arrays[f"part_{flag}"]), "i4")
    fails(run, makers.write_root(tmp_path / "bad.root", arrays), "entry 0 has a constituent of unknown identity")


def without_constituents(arrays, entries):
    """The arrays, with entries without constituents."""
    for name in [name for name in arrays if name.startswith(("part_", "trk_"))]:
        keep = ak.Array([[i not in entries] * n for i, n in enumerate(ak.num(arrays[name]))])
        arrays[name] = ak.to_packed(arrays[name][keep])
    return arrays


def test_jets_without_constituents_are_named_or_skipped_and_counted(run, tmp_path):
    source = makers.write_root(tmp_path / "in.root", without_constituents(makers.jetclass_arrays(20, seed=1), [3]))
    fails(run, source, r"in.root: 1 of the entries 0..<20 have no constituents \(3\): .*--skip-bad", name="no")
    assert not [*(tmp_path / "no").glob("*.h5")]
    jets = kaon_data.read(run(source, skip_bad=True) / "jets_000.h5")
    assert len(jets) == 19 and ak.min(ak.num(jets.constituents)) > 0
    assert "1 jets without constituents were skipped" in run.said


def test_jets_without_tracks_are_named(run, tmp_path):
    source = makers.write_root(tmp_path / "in.root", without_constituents(makers.btag_arrays(50), [21, 30, 31, 38]))
    fails(run, source, r"4 of the entries 20..<40 have no constituents \(21, 30, 31, …\)", form="btag")


def test_many_jets_are_not_skipped(run, tmp_path):
    arrays = makers.jetclass_arrays(40, seed=1)
    arrays["jet_sdmass"][:3] = np.nan
    source = makers.write_root(tmp_path / "in.root", without_constituents(arrays, [30, 31]))
    fails(
        run, source, r"5 of 40 jets would be skipped \(3 with unusable values, 2 without constituents\), more than the "
        "fraction 0.1: .*--max-skipped", skip_bad=True)
    assert not [*(tmp_path / "out").glob("*.h5")]
    # The same conversion continues with a higher limit.
    assert len(kaon_data.read(run(source, skip_bad=True, max_skipped=0.2))) == 35


def padded(arrays, slots):
    """The arrays with lists of equal length, filled with zeros."""
    return {
        name: values if isinstance(values, np.ndarray)
        else ak.from_regular(ak.fill_none(ak.pad_none(values, slots, clip=True), 0)) for name, values in arrays.items()
    }


@pytest.mark.parametrize("form", ["jetclass", "btag"])
def test_padding_with_zeros_is_removed(run, tmp_path, form):
    arrays = makers.jetclass_arrays(50, seed=1) if form == "jetclass" else makers.btag_arrays(50, seed=1)
    plain = run(makers.write_root(tmp_path / "plain.root", arrays), name="plain", form=form)
    tracks = {name: values for name, values in arrays.items() if name.startswith(("part_", "trk_"))}
    source = makers.write_root(tmp_path / "padded.root", arrays | padded(tracks, 60))
    found = run(source, name="padded", form=form)
    removed = 50 * 60 - ak.count(tracks["part_px" if form == "jetclass" else "trk_pt"])
    assert f"{removed:,} constituents of zeros only, the padding of arrays, were removed" in run.said
    assert "skipped" not in run.said
    with h5py.File(plain / "jets_000.h5") as a, h5py.File(found / "jets_000.h5") as b:
        for name in ("csts", "csts_id", "offsets", "labels", "jets"):
            assert (a[name][:] == b[name][:]).all()


def test_constituents_with_zero_momentum_are_not_padding(run, tmp_path):
    arrays = makers.jetclass_arrays(50, seed=1)
    for name in ("part_px", "part_py"):
        rows = ak.to_list(arrays[name])
        rows[7][0] = 0
        arrays[name] = ak.values_astype(ak.Array(rows), "f4")
    fails(run, makers.write_root(tmp_path / "in.root", arrays), "entry 7 has a constituent without transverse momentum")


def test_rntuples_are_read(run, tmp_path):
    arrays = makers.jetclass_arrays(50, seed=1)
    plain = run(makers.write_root(tmp_path / "plain.root", arrays), name="plain")
    with uproot.recreate(tmp_path / "ntuple.root") as file:
        file.mkrntuple("tree", arrays)
    found = run(tmp_path / "ntuple.root", name="ntuple")
    with h5py.File(plain / "jets_000.h5") as a, h5py.File(found / "jets_000.h5") as b:
        assert (a["csts"][:] == b["csts"][:]).all() and (a["labels"][:] == b["labels"][:]).all()
    del arrays["part_dzerr"]
    with uproot.recreate(tmp_path / "bad.root") as file:
        file.mkrntuple("tree", arrays)
    fails(run, tmp_path / "bad.root", "bad.root: tree 'tree' lacks the branch part_dzerr", name="bad")


def test_a_missing_branch_is_named(run, tmp_path):
    arrays = makers.jetclass_arrays(5)
    del arrays["part_dzerr"]
    fails(run, makers.write_root(tmp_path / "in.root", arrays), "in.root: tree 'tree' lacks the branch part_dzerr")


def test_branches_of_another_shape_are_named(run, tmp_path):
    arrays = makers.jetclass_arrays(5)
    arrays["jet_sdmass"], arrays["part_d0err"] = arrays["part_d0err"], arrays["jet_sdmass"]
    fails(run, makers.write_root(tmp_path / "in.root", arrays), "in.root: jet_sdmass has lists, expected one value")
    arrays["jet_sdmass"] = arrays["jet_pt"]
    fails(run, makers.write_root(tmp_path / "b.root", arrays), "b.root: part_d0err has one value per entry", name="b")


def test_a_file_without_the_tree_is_named(run, tmp_path):
    path = tmp_path / "in.root"
    makers.write_root(path, {"x": np.zeros(3)}, tree="other")
    fails(run, path, "in.root: tree 'other' lacks the branches")


def test_a_file_that_is_not_root_is_named(run, tmp_path):
    (tmp_path / "in.root").write_text("not a ROOT file at all")
    fails(run, tmp_path / "in.root", "in.root is not a ROOT file")


@pytest.mark.parametrize("part", [0.3, 0.7, 0.999])
def test_a_truncated_file_is_named(run, tmp_path, part):
    path = makers.write_root(tmp_path / "in.root", makers.jetclass_arrays(200))
    whole = path.read_bytes()
    path.write_bytes(whole[:int(part * len(whole))])
    fails(run, path, "in.root is truncated to .* of .* bytes")


def test_a_damaged_file_is_named(run, tmp_path):
    path = makers.write_root(tmp_path / "in.root", makers.jetclass_arrays(2000, seed=1))
    data = bytearray(path.read_bytes())
    # The compressed baskets of constituents are in the middle.
    middle = len(data) // 2
    data[middle:middle + 64] = bytes(64)
    path.write_bytes(data)
    fails(run, path, "in.root: branch part_.*damaged")


def test_a_missing_source_and_an_empty_folder_are_named(run, tmp_path):
    fails(run, tmp_path / "nowhere", "nowhere does not exist")
    (tmp_path / "empty").mkdir()
    fails(run, tmp_path / "empty", r"empty contains no \*.root files")


def test_the_command_says_one_sentence_and_fails(sources, tmp_path):
    (sources / "bad.root").write_text("text")
    command = [sys.executable, "-m", "kaon_data", "convert-jetclass", sources, "--output", tmp_path / "out"]
    ended = subprocess.run([*command, "--workers", "1"], capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr == f"convert-jetclass: {sources / 'bad.root'} is not a ROOT file: give another source\n"


def test_the_command_converts(sources, tmp_path, capsys):
    split = ["--split", "train=0.8,val=0.2", "--jets-per-file", "100", "--seed", "4", "--max-constituents", "20"]
    assert convert_jetclass([str(sources), "--output", str(tmp_path / "out"), "--workers", "1", *split]) == 0
    said = capsys.readouterr().err
    assert "read 150 jets" in said and "complete: 150 jets" in said and "\r" not in said
    with h5py.File(tmp_path / "out" / "train_001.h5") as file:
        assert file["labels"].shape == (20,)
    assert convert_jetclass([str(sources), "--output", str(tmp_path / "b"), "--split", "a=0.5,b=0.6"]) == 1
    assert convert_jetclass([str(sources), "--output", str(tmp_path / "b"), "--split", "a=0.5"]) == 1
    assert "does not add up to 1" in capsys.readouterr().err
