"""The order of the jets is random and determined only by sources and seed."""

import hashlib
import json

import awkward as ak
import h5py
import makers
import numpy as np

import kaon_data


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.h5"))}


def jet_pts(folder, pattern="*.h5"):
    return ak.to_numpy(kaon_data.read(folder / pattern).pt).tolist()


def test_every_jet_is_there_once_and_whole(run, sources):
    folder = run(sources, jets_per_file=64)
    jets = kaon_data.read(folder / "*.h5")
    assert sorted(jets.pt) == [*range(500, 570), *range(1500, 1550), *range(2500, 2530)]
    plain = kaon_data.read(run(sources, "plain", mix=False) / "*.h5")
    assert plain.pt.to_list() == sorted(plain.pt)
    order = np.argsort(jets.pt)
    assert ak.array_equal(jets[order], plain)
    assert [h5py.File(path)["labels"].shape[0] for path in sorted(folder.glob("*.h5"))] == [64, 64, 22]


def test_the_result_does_not_depend_on_workers_pieces_or_the_order_of_sources(run, sources, tmp_path):
    alone = run(sources, "alone", jets_per_file=60)
    several = run([*sources.rglob("*.root")][::-1], "several", jets_per_file=60, workers=2)
    assert digests(alone) == digests(several)
    large = tmp_path / "large"
    kaon_data.convert([sources], large, kaon_data.Options("jetclass", jets_per_file=60))
    assert jet_pts(large) == jet_pts(alone)


def test_another_seed_gives_another_order(run, sources):
    assert jet_pts(run(sources, "a")) == jet_pts(run(sources, "b"))
    assert jet_pts(run(sources, "a")) != jet_pts(run(sources, "c", seed=1))


def test_blocks_of_a_mixed_file_are_unbiased(tmp_path):
    for number, label in enumerate(("QCD", "Hbb", "Tbl")):
        makers.write_root(tmp_path / f"{label}.root", makers.jetclass_arrays(1000, label, number, largest=2))
    folder = tmp_path / "out"
    kaon_data.convert([tmp_path], folder, kaon_data.Options("jetclass", jets_per_file=1500), bucket_jets=400)
    jets = kaon_data.read(folder / "*.h5")
    index = {0: 0, 5: 1, 1: 2}
    number = np.array([index[label] * 1000 for label in jets.label]) + ak.to_numpy(jets.pt) - 500
    # In 30 blocks of 100 jets each class has 33 ± 5; a deviation in chi squared of 5 sigma has odds of a million.
    blocks = np.array([np.bincount(block // 1000, minlength=3) for block in number.astype(int).reshape(30, 100)])
    chi2 = ((blocks - 100 / 3) ** 2 / (100 / 3)).sum()
    assert abs(chi2 - 58) < 5 * 11
    # The position is also independent of the number within the class.
    assert abs(np.corrcoef(np.arange(3000), number % 1000)[0, 1]) < 5 / 3000**0.5


def test_splits_share_out_all_jets(run, sources):
    split = (("train", 0.8), ("val", 0.1), ("test", 0.1))
    folder = run(sources, split=split, jets_per_file=100)
    assert sorted(path.name for path in folder.glob("*.h5")) == [
        "test_000.h5", "train_000.h5", "train_001.h5", "val_000.h5"
    ]
    parts = [jet_pts(folder, f"{name}_*.h5") for name, _ in split]
    assert [len(part) for part in parts] == [120, 15, 15]
    assert len(set(sum(parts, []))) == 150
    record = json.loads((folder / "conversion.json").read_text())
    assert sum(record["counts"][name]["Hbb"] for name, _ in split) == 70
