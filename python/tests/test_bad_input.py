"""Unusable sources: a one-sentence error, and no output that looks complete."""

import subprocess
import sys

import awkward as ak
import h5py
import makers
import numpy as np
import pytest

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


def test_jets_without_constituents_are_left_out_and_counted(run, tmp_path):
    arrays = makers.jetclass_arrays(20, seed=1)
    for name in [name for name in arrays if name.startswith("part_")]:
        keep = ak.Array([[i != 3] * n for i, n in enumerate(ak.num(arrays[name]))])
        arrays[name] = ak.to_packed(arrays[name][keep])
    jets = kaon_data.read(run(makers.write_root(tmp_path / "in.root", arrays)) / "jets_000.h5")
    assert len(jets) == 19 and ak.min(ak.num(jets.constituents)) > 0
    assert "1 jets without constituents were skipped" in run.said


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
