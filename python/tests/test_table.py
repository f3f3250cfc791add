"""`convert-table`: any files to kaon's, by a description with expressions."""

import json
import tracemalloc

import awkward as ak
import h5py
import numpy as np
import published
import pytest
import uproot
from descriptions import CONFIGS, arrays_of

import kaon_data
from kaon_data.description import Description
from kaon_data.physics import jet_observables

FEATURES = {"pt": "pt", "deta": "eta", "dphi": "phi"}


@pytest.fixture
def simple(tmp_path):
    """An HDF5 file of 40 jets with 1 … 8 constituents in eight slots, and one number of each jet."""
    rng = np.random.default_rng(3)
    count = np.arange(40) % 8 + 1
    mask = np.arange(8) < count[:, None]
    arrays = {
        "pt": rng.exponential(10, mask.shape) + 1, "eta": rng.normal(0, 0.1, mask.shape),
        "phi": rng.normal(0, 0.1, mask.shape), "charge": rng.integers(-1, 2, mask.shape), "mask": mask,
        "label": np.arange(40) % 2, "energy": rng.uniform(50, 100, 40),
    }

    def write(**changes):
        with h5py.File(tmp_path / "simple.h5", "w") as file:
            for name, values in (arrays | changes).items():
                if values is not None:
                    file[name] = values
        return tmp_path / "simple.h5"

    write.arrays = arrays
    return write


# Published data sets


@pytest.mark.parametrize("data", ["top-tagging", "quark-gluon"])
def test_momenta_of_published_data_sets(table, tmp_path, data):
    if data == "top-tagging":
        source = tmp_path / "train.h5"
        momenta, _ = published.top_tagging(source)
    else:
        source = tmp_path / "QG_jets.npz"
        momenta, values = published.quark_gluon(source)
    assert table(data, source, "--no-mix") == 0
    found = arrays_of(table.path)
    assert found["labels"].tolist() == [0, 1] * 30
    assert found["csts/names"] == ["pt", "deta", "dphi"]
    assert found["labels/names"] == (["QCD", "top"] if data == "top-tagging" else ["gluon", "quark"])
    for jet, each in enumerate(momenta):
        part = found["csts"][found["offsets"][jet]:found["offsets"][jet + 1]].astype(float)
        pt = np.hypot(each[:, 1], each[:, 2])
        assert part[:, 0] == pytest.approx(pt, rel=1e-5) and (np.diff(part[:, 0]) <= 0).all()
        # Angles are relative to the axis: directions and the mass are those of the constituents, on both sides of π.
        jet_pt, jet_eta, jet_phi, mass, count = found["jets"][jet]
        eta, phi = part[:, 1] + jet_eta, part[:, 2] + jet_phi
        assert eta == pytest.approx(np.arcsinh(each[:, 3] / pt), abs=1e-5)
        assert np.cos(phi - np.arctan2(each[:, 2], each[:, 1])) == pytest.approx(1, abs=1e-6)
        total = each.sum(axis=0)
        assert jet_pt == pytest.approx(np.hypot(total[1], total[2]), rel=1e-5) and count == len(each)
        assert mass == pytest.approx(np.sqrt(total[0]**2 - (total[1:]**2).sum()), rel=1e-4)
        assert np.abs(part[:, 2]).max() < 2
    if data == "quark-gluon":
        names = {22: 0, -211: 1, -321: 1, -2212: 1, 130: 2, 2112: 2, -2112: 2, 211: 3, 321: 3, 2212: 3, 11: 4, -11: 5,
                 13: 6, -13: 7}
        codes = values[..., 3][values[..., 0] > 0]
        assert found["csts_id"].tolist() == [names[int(code)] for code in codes]


def test_jetnet_has_its_classes_from_the_names_of_the_files(table, tmp_path):
    data = published.jetnet(tmp_path / "jetnet")
    assert table("jetnet", tmp_path / "jetnet", "--no-mix") == 0
    found = arrays_of(table.path)
    assert found["labels/names"] == ["gluon", "quark", "top", "W", "Z"]
    order = [{"g": 0, "q": 1, "t": 2, "w": 3, "z": 4}[name] for name in "gqtwz"]
    assert found["labels"].tolist() == np.repeat(order, 20).tolist()
    features, jets = data["q"]
    first = 20  # g comes first
    for jet in range(20):
        part = found["csts"][found["offsets"][first + jet]:found["offsets"][first + jet + 1]]
        count = int(jets[jet, 3])
        expected = features[jet, :count]
        assert part[:, 0] == pytest.approx(expected[:, 2] * jets[jet, 0], rel=1e-5)
        assert part[:, 1:] == pytest.approx(expected[:, :2], rel=1e-5)
        expected = [jets[jet, 0], jets[jet, 1], 0, jets[jet, 2], count]
        assert found["jets"][first + jet].tolist() == pytest.approx(expected)


def test_parquet_and_root_with_further_features(table, tmp_path):
    momenta, _ = published.top_landscape(tmp_path / "jets.parquet")
    assert table("top-landscape", tmp_path / "jets.parquet", "--no-mix") == 0
    found = arrays_of(table.path)
    names = ["pt", "deta", "dphi", "log_pt", "log_e", "log_ptrel", "log_erel", "dr"]
    assert found["csts/names"] == names
    column = {name: found["csts"][:, number].astype(float) for number, name in enumerate(names)}
    energy = np.concatenate([each[:, 0] for each in momenta])
    assert column["log_e"] == pytest.approx(np.log(energy), rel=1e-4)
    assert column["dr"] == pytest.approx(np.hypot(column["deta"], column["dphi"]), rel=1e-5)
    assert np.exp(column["log_erel"]) == pytest.approx(
        energy / np.repeat(found["energy"], np.diff(found["offsets"])), rel=1e-4)
    # The same branches in a ROOT file.
    jets = ak.from_parquet(tmp_path / "jets.parquet")
    with uproot.recreate(tmp_path / "jets.root") as file:
        file["tree"] = {name: ak.Array(ak.to_list(jets[name])) for name in jets.fields}
    assert table("top-landscape", tmp_path / "jets.root", "--no-mix", out="root") == 0
    same = arrays_of(table.path)
    assert all(np.array_equal(found[name], same[name]) for name in ("csts", "labels", "jets", "offsets", "energy"))
    jets = kaon_data.read(table.path)
    assert "log_e" in jets.constituents.fields and "d0" not in jets.constituents.fields and "energy" in jets.fields


@pytest.mark.parametrize("ending", [".root", ".h5", ".tar.h5", ".parquet"])
def test_names_of_files_with_dots(table, tmp_path, ending):
    sources = [tmp_path / f"{name}{ending}" for name in ("pt.500.qcd", "pt.500.top")]
    lists = ak.Array([[1.0, 2.0], [3.0]])
    for path in sources:
        if ending == ".root":
            with uproot.recreate(path) as file:
                file["tree"] = {"pt": lists}
        elif ending == ".parquet":
            ak.to_parquet(ak.Array({"pt": lists}), path)
        else:
            with h5py.File(path, "w") as file:
                file["pt"] = np.ones((2, 3))
    stems = [path.name.removesuffix("." + ending.rpartition(".")[2]) for path in sources]
    settings = {"features": {"pt": "pt", "deta": "0", "dphi": "0"},
                "classes": {"QCD": f"file == '{stems[0]}'", "top": f"file == '{stems[1]}'"}}
    assert table(settings, *sources, "--no-mix") == 0, table.said
    assert arrays_of(table.path)["labels"].tolist() == [0, 0, 1, 1]


def test_every_published_description_is_valid():
    for path in CONFIGS.glob("*.yaml"):
        description = Description.read(path)
        assert description.branches and len(description.class_names) > 1
        assert f"convert-table configs/data/{path.name} " in path.read_text()


# Cuts, classes, spectators


def test_cuts_and_everything_else(table, simple):
    values = simple.arrays
    settings = {
        "valid": "mask", "features": FEATURES | {"z": "pt / sum(pt)"},
        "identity": {"positive hadron": "charge > 0", "negative hadron": "charge < 0", "photon": "charge == 0"},
        "classes": {"a": "label == 0", "b": "label == 1"},
        "cuts": {"constituents": "pt > 5", "jets": ["count(pt) >= 2", "energy < 90"]},
        "spectators": {"energy": "energy", "hardest": "max(pt)"},
        "constituent_labels": {"vtx_id": "where(charge == 0, -1, charge + 1)"},
        "max_constituents": 4,
    }
    assert table(settings, simple(), "--no-mix") == 0
    found = arrays_of(table.path)
    kept = 0
    for jet in range(40):
        mask = values["mask"][jet]
        total = values["pt"][jet][mask].sum()
        mask = mask & (values["pt"][jet] > 5)
        if mask.sum() < 2 or values["energy"][jet] >= 90:
            continue
        order = np.argsort(-values["pt"][jet][mask])[:4]
        part = slice(found["offsets"][kept], found["offsets"][kept + 1])
        pt = values["pt"][jet][mask]
        assert found["csts"][part, 0] == pytest.approx(pt[order], rel=1e-6)
        # The sum of a feature has the constituents before the cut.
        assert found["csts"][part, 3] == pytest.approx(pt[order] / total, rel=1e-6)
        charge = values["charge"][jet][mask][order]
        assert found["csts_id"][part].tolist() == np.where(charge > 0, 3, np.where(charge < 0, 1, 0)).tolist()
        assert found["vtx_id"][part].tolist() == np.where(charge == 0, -1, charge + 1).tolist()
        assert found["labels"][kept] == values["label"][jet]
        assert found["energy"][kept] == pytest.approx(values["energy"][jet], rel=1e-6)
        assert found["hardest"][kept] == pytest.approx(pt.max(), rel=1e-6)
        # pT and mass that are not given are those of all constituents that are left, not only of the hardest four.
        expected = jet_observables(
            np.array([0, mask.sum()]), *(values[name][jet][mask] for name in ("pt", "eta", "phi")))
        assert found["jets"][kept][[0, 3]] == pytest.approx([each[0] for each in expected], rel=1e-3)
        kept += 1
    assert 5 < kept == len(found["labels"]) < 40
    assert f"{40 - kept} jets were cut" in table.said


def test_cut_jets_may_have_any_values(table, simple):
    energy = simple.arrays["energy"].copy()
    energy[3], label = np.nan, simple.arrays["label"].copy()
    label[5] = 7
    pt = simple.arrays["pt"].copy()
    pt[6] = np.nan
    settings = {"valid": "mask", "features": FEATURES, "spectators": {"energy": "energy"},
                "classes": {"a": "label == 0", "b": "label == 1"},
                "cuts": {"jets": ["isfinite(energy)", "label < 2", "all(isfinite(pt))"]}}
    assert table(settings, simple(energy=energy, label=label, pt=pt)) == 0
    assert "3 jets were cut" in table.said


def test_the_order_of_the_seven_features_is_that_of_kaon(table, simple):
    settings = {"valid": "mask", "identity": 3, "features": {
        "own": 1, "dzerr": 7, "dz": 6, "d0err": 5, "d0": 4, "dphi": "phi", "deta": "eta", "pt": "pt"}}
    assert table(settings, simple()) == 0
    found = arrays_of(table.path)
    assert found["csts/names"] == [*kaon_data.FEATURES, "own"]
    assert found["csts"][0, 3:].tolist() == [4, 5, 6, 7, 1] and set(found["csts_id"]) == {3}


def test_structured_datasets(table, tmp_path):
    tracks = np.zeros((10, 4), [("pt", "f4"), ("eta", "f4"), ("phi", "f4"), ("valid", "?")])
    tracks["pt"], tracks["valid"][:, :3] = 5, True
    jets = np.zeros(10, [("pt", "f4"), ("flavour", "i4")])
    jets["flavour"] = np.arange(10) % 2
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["tracks"], file["jets"] = tracks, jets
    settings = {
        "format": "hdf5", "valid": "valid",
        "branches": {name: f"tracks/{name}" for name in ("pt", "eta", "phi", "valid")} | {"flavour": "jets/flavour"},
        "features": FEATURES, "classes": {"light": "flavour == 0", "b": "flavour == 1"}}
    assert table(settings, tmp_path / "in.h5") == 0
    assert arrays_of(table.path)["offsets"].tolist() == list(range(0, 33, 3))


def test_splits_mixing_and_restart_are_those_of_the_other_converters(table, simple, tmp_path):
    settings = {"valid": "mask", "features": FEATURES, "spectators": {"energy": "energy"}}
    assert table(settings, simple(), "--split", "train=0.5,val=0.5") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "conversion.json", "train_000.h5", "val_000.h5"]
    found = [arrays_of(tmp_path / "out" / f"{name}_000.h5")["energy"] for name in ("train", "val")]
    assert sorted(np.concatenate(found)) == pytest.approx(sorted(simple.arrays["energy"]), rel=1e-6)
    assert not np.array_equal(np.concatenate(found), simple.arrays["energy"].astype("f4"))
    record = json.loads((tmp_path / "out/conversion.json").read_text())
    assert record["command"] == "convert-table" and "spectators" in record["plan"]["options"]["table"]
    assert table(settings, simple(), "--split", "train=0.5,val=0.5") == 0 and "nothing to do" in table.said
    settings["spectators"]["more"] = "2 * energy"
    assert table(settings, simple(), "--split", "train=0.5,val=0.5") == 1
    assert "was made with another configuration: choose another --output" in table.said


def test_memory_does_not_depend_on_the_number_of_jets(table, tmp_path):
    """An archive is read in pieces: far less memory than its arrays have."""
    rng = np.random.default_rng(1)
    values = rng.random((60_000, 20, 4))
    np.savez(tmp_path / "large.npz", X=values)
    settings = {"branches": {"pt": "X[..., 0]", "eta": "X[..., 1]", "phi": "X[..., 2]"}, "features": FEATURES}
    tracemalloc.start()
    assert table(settings, tmp_path / "large.npz", "--jets-per-file", "10000") == 0
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * values.nbytes
    assert len(kaon_data.read(tmp_path / "out")) == 60_000


# Errors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": {"pt": "ptt", "deta": "eta", "dphi": "phi"}}, "lacks the branch ptt: did you mean pt?"),
        ({"features": {"pt": "pt"}}, "features lacks deta, dphi"),
        ({"features": None}, "features is None: give a section"),
        ({"feature": {}}, "feature is an unknown section: did you mean features?"),
        ({"features": FEATURES | {"x": "pt +"}}, "features.x: 'pt +' is not an expression"),
        ({"features": FEATURES | {"x": "__import__('os').system('true')"}}, "calls something other than a function"),
        ({"features": FEATURES | {"x": "open('x')"}}, "has the unknown function open"),
        ({"features": FEATURES | {"x": "sqr(pt)"}}, "unknown function sqr: did you mean sqrt?"),
        ({"features": FEATURES | {"x": "pt.real"}}, "has a attribute: only numbers, names"),
        ({"features": FEATURES | {"x": "[p for p in pt]"}}, "has a listcomp"),
        ({"features": FEATURES | {"x": "lambda: 1"}}, "has a lambda"),
        ({"features": FEATURES | {"x": "hypot(pt)"}}, "gives hypot 1 arguments, not 2"),
        ({"features": FEATURES | {"x": "sum(energy)"}}, "gives sum a quantity of jets"),
        ({"features": FEATURES | {"x": "log(eta)"}}, "features.x, entry 0, constituent"),
        ({"features": FEATURES | {"x": "file"}}, "is a text: use numbers"),
        ({"features": FEATURES | {"x": "file + 1"}}, "uses a text as a number"),
        ({"features": FEATURES | {"d0": "pt"}}, "identity is missing: impact parameters are those of charged"),
        ({"features": FEATURES | {"no-name": "pt"}}, "features has the name 'no-name'"),
        ({"identity": 9}, "has a constituent whose identity is not 0 … 7"),
        ({"identity": {"gamma": "1"}}, "identity has the unknown identity gamma"),
        ({"identity": {"photon": "charge == 0"}}, "has a constituent of no identity, or of more than one"),
        ({"classes": {"a": "label == 0"}}, "is of no class, or of more than one"),
        ({"classes": {"a": "pt > 1"}}, "has a value for each constituent, where one for each jet is needed"),
        ({"cuts": {"jets": "energy < 0"}}, "no jets are left: all 40 are cut by cuts.jets"),
        ({"cuts": {"tracks": "1"}}, "cuts has the unknown key tracks"),
        ({"cuts": {"constituents": "pt > 1e9"}}, "have no constituents"),
        ({"define": {"a": "b", "b": "pt"}},
         "uses b, which is defined below it: change the order, or if a branch of this name is meant, give it another "
         "one in branches, such as b_in_file: b"),
        ({"define": {"sum": "pt"}}, "which has a meaning of its own"),
        ({"branches": {"energy": "energy[..., 0]"}}, "energy has no columns"),
        ({"branches": {"energy": "pt[..., 8]"}}, "pt has 8 columns, numbered from 0"),
        ({"branches": {"pt": "pt[0]"}}, "'pt[0]' is not the name of a branch"),
        ({"branches": {"pt": "a_{3..1}"}}, "the range of 'a_{3..1}' is empty"),
        ({"branches": {"pt": "a_{0..3}"}}, "lacks the branch a_0 (for pt)"),
        ({"spectators": {"csts": "energy"}}, "has the name csts, which is taken"),
        ({"spectators": {"pt": "energy"}}, "has the name pt, which is taken"),
        ({"features": FEATURES | {"id": "pt"}}, "features has the name id, which is that of the identity"),
        ({"identity": {}}, "identity needs a condition for each identity"),
        ({"jets": {"energy": "energy"}}, "jets has the unknown key energy"),
        ({"jets": {"mass": "log(-energy)"}}, "jets.mass, entry 0 is nan"),
        ({"format": "csv"}, "format is 'csv': use root, parquet, hdf5, npz, pandas"),
        ({"format": "root"}, "is not a ROOT file"),
        ({"format": "npz"}, "cannot be read as npz"),
        ({"max_constituents": 0}, "max_constituents is 0"),
        ({"max_constituents": 16385}, "max_constituents is 16385: give a number from 1 to 16384"),
    ],
)
def test_what_is_wrong_is_said(table, simple, change, message):
    settings = {"valid": "mask", "features": FEATURES, "spectators": {"e": "energy", "l": "label"},
                "constituent_labels": {"c": "charge"}} | change
    assert table(settings, simple()) == 1
    said = table.said.splitlines()
    assert said[-1].startswith("convert-table: ") and message in said[-1] and "  " not in said[-1]
    assert len(said) <= 2 and not table.path.exists()


def test_files_that_do_not_fit(table, simple, tmp_path):
    settings = {"valid": "mask", "features": FEATURES, "classes": {"a": "label == 0", "b": "label == 1"}}
    pt = simple.arrays["pt"].copy()
    pt[17, 0] = np.nan
    for changes, message in [
        ({"pt": simple.arrays["pt"][:, :5]}, "values of pt but"),
        ({"label": simple.arrays["label"][:30]}, "label has 30 entries but"),
        ({"pt": pt}, "features.pt, entry 17, constituent 0 is nan: correct the file, or skip such jets with"),
        ({"pt": -simple.arrays["pt"]}, "has a constituent whose pT is not positive"),
        ({"phi": np.array([[b"x"] * 8] * 40)}, "phi has values of type |S1, expected numbers"),
        ({"eta": simple.arrays["eta"][..., None]}, "has the shape [40, 8, 1], expected jets or jets × constituents"),
        ({"mask": np.zeros((40, 8), bool)}, "40 of the entries 0..<40 have no constituents"),
        ({"phi": None}, "simple.h5 lacks the branch phi"),
    ]:
        assert table(settings, simple(**changes)) == 1
        assert message in table.said, (message, table.said)
    assert table(settings, simple(pt=pt), "--skip-bad") == 0
    assert "1 jets with unusable values were skipped" in table.said
    assert table(settings, tmp_path / "nothing.h5", out="b") == 1 and "nothing.h5 does not exist" in table.said
    (tmp_path / "text.txt").write_text("x")
    assert table(settings, tmp_path / "text.txt", out="b") == 1 and "has no known ending" in table.said


@pytest.mark.parametrize("name, value, message", [
    ("pt", np.nan, "features.pt, entry 5, constituent 0 is nan"), ("phi", np.inf, "features.dphi, entry 5"),
    ("eta", 1e3, "jets.mass, entry 5 is "), ("eta", 200, "jets.mass, entry 5 is "),
    ("energy", 1e39, "spectators.energy, entry 5 is 1e+39"), ("label", 9, "spectators.ratio, entry 5 is inf"),
])
def test_a_bad_jet_does_not_change_others(table, simple, name, value, message):
    settings = {"valid": "mask", "features": FEATURES, "spectators": {"energy": "energy", "ratio": "2 // (label - 9)"}}
    assert table(settings, simple(), "--no-mix") == 0
    good = arrays_of(table.path)
    values = simple.arrays[name].copy()
    values[(5, 0)[:values.ndim]] = value
    source = simple(**{name: values})
    assert table(settings, source, "--no-mix", out="bad") == 1 and message in table.said, table.said
    assert table(settings, source, "--no-mix", "--skip-bad", out="bad") == 0
    assert "1 jets with unusable values were skipped" in table.said
    np.testing.assert_array_equal(arrays_of(table.path)["jets"], np.delete(good["jets"], 5, axis=0))


def test_files_of_other_formats_that_do_not_fit(table, tmp_path):
    import pandas
    import pyarrow
    from pyarrow import parquet

    pandas.DataFrame({"pt": [1.0]}).to_hdf(tmp_path / "fixed.h5", key="table")
    settings = {"format": "pandas", "features": FEATURES}
    assert table(settings, tmp_path / "fixed.h5") == 1 and 'to_hdf(…, format="table")' in table.said
    assert table(settings | {"tree": "other"}, tmp_path / "fixed.h5") == 1 and "no table 'other'" in table.said
    columns = {name: [[1.0], [1.0, 2.0]] for name in ("pt", "eta", "phi")}
    for change, message in [
        ({"pt": [[1.0], None]}, "pt has 1 missing values"),
        ({"eta": [[1.0], [None, 2.0]]}, "eta has 1 missing values"), ({"pt": [[[1.0]], []]}, "pt has lists of lists"),
        ({"pt": [[1.0], [1.0]]}, "entry 1 has"), ({"pt": ["a", "b"]}, "expected numbers"),
    ]:
        parquet.write_table(pyarrow.table(columns | change), tmp_path / "in.parquet")
        assert table({"features": FEATURES}, tmp_path / "in.parquet") == 1
        assert message in table.said, (message, table.said)
    np.savez(tmp_path / "objects.npz", pt=np.array([{}], object), eta=np.zeros((1, 2)), phi=np.zeros((1, 2)))
    assert table({"features": FEATURES}, tmp_path / "objects.npz") == 1 and "Python objects" in table.said
    with uproot.recreate(tmp_path / "two.root") as file:
        file["a"] = {"pt": np.ones(3)}
        file["b"] = {"pt": np.ones(3)}
    assert table({"features": FEATURES, "tree": "c"}, tmp_path / "two.root") == 1 and "no tree named 'c'" in table.said
    assert table({"features": {"pt": "pt", "deta": "0", "dphi": "0"}, "tree": "a"}, tmp_path / "two.root") == 1
    assert "pt has one value per entry" in table.said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"features: {pt: a", "is not valid YAML"), (b"- 1", "contains no sections"), (b"", "contains no sections"),
        (b"features: {pt: a, pt: b}", "the key pt occurs twice"), (b"features: !!python/name:os.system ''", "YAML"),
        (b"name: 3\nfeatures: {}", "name is 3: give a text"),
    ],
)
def test_descriptions_that_are_no_descriptions(table, simple, text, message):
    assert table(text, simple()) == 1 and message in table.said and len(table.said.splitlines()) == 1


def test_descriptions_may_merge_sections(table, simple):
    text = b"""
branches: &first {eta_in_file: eta}
define: &second {<<: *first, double: 2 * energy, eta_in_file: eta}
features: {<<: *second, pt: pt, deta: eta, dphi: phi, double: energy}
spectators: {truth: label}
valid: mask
"""
    assert table(text, simple()) == 0, table.said
    assert arrays_of(table.path)["csts/names"] == ["pt", "deta", "dphi", "eta_in_file", "double"]
    twice = text.replace(b"valid: mask", b"valid: mask\nidentity: {<<: *second, photon: 1, photon: 2}")
    assert table(twice, simple()) == 1 and "the key photon occurs twice" in table.said
