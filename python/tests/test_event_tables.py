"""`convert-table`: whole events, whose constituents are objects of several kinds."""

import awkward as ak
import numpy as np
import pytest
import uproot
from descriptions import arrays_of

import kaon_data
from kaon_data import Options
from kaon_data.cli import convert_btag, convert_jetclass, convert_table
from kaon_data.physics import jet_observables
from kaon_data.plan import Plan
from kaon_data.sources import Source


def objects(tmp_path, **changes):
    """A ROOT file of 30 events with one to five objects of the kinds jet, muon and MET."""
    rng = np.random.default_rng(5)
    counts = np.arange(30) % 5 + 1
    total = counts.sum()
    columns = {
        "pt": rng.exponential(50, total) + 1, "eta": rng.uniform(-4, 4, total), "phi": rng.uniform(-3.14, 3.14, total),
        "kind": rng.integers(0, 3, total)} | changes
    with uproot.recreate(tmp_path / "events.root") as file:
        lists = {name: ak.unflatten(np.asarray(values), counts) for name, values in columns.items()}
        tree = file.mktree("events", {"obj": ak.zip(lists).type})
        tree.extend({"obj": ak.zip(lists)})
    return columns, counts


OBJECTS = {
    "branches": {name: f"obj_{name}" for name in ("pt", "eta", "phi", "kind")},
    "features": {"sinphi": "sin(phi)", "pt": "pt", "eta": "eta", "phi": "phi"},
    "identities": ["jet", "muon", "met"],
    "identity": {"jet": "kind == 0", "met": "kind == 2", "muon": "kind == 1"},
}


def test_objects_of_events(table, tmp_path):
    columns, counts = objects(tmp_path)
    assert table(OBJECTS, tmp_path / "events.root", "--no-mix") == 0, table.said
    arrays = arrays_of(table.path)
    assert arrays["csts/names"] == ["pt", "eta", "phi", "sinphi"]
    assert arrays["csts_id/names"] == ["jet", "muon", "met"]
    order = np.lexsort((-columns["pt"], np.repeat(np.arange(30), counts)))
    assert np.allclose(arrays["csts"][:, 0], columns["pt"][order], rtol=1e-3)
    assert np.allclose(arrays["csts"][:, 3], np.sin(columns["phi"])[order], atol=1e-3)
    assert (arrays["csts_id"] == columns["kind"][order]).all()
    # pT and mass of an event are those of the sum of its objects.
    pt, mass = jet_observables(np.r_[0, np.cumsum(counts)], columns["pt"], columns["eta"], columns["phi"])
    assert np.allclose(arrays["jets"][:, 0], pt, rtol=1e-2, atol=0.1)
    assert np.allclose(arrays["jets"][:, 3], mass, rtol=1e-2, atol=0.1)
    events = kaon_data.read(table.path)
    assert events.attrs["identities"] == ["jet", "muon", "met"]
    assert events.constituents.fields == ["pt", "eta", "phi", "sinphi", "id"]


def test_pieces_of_events_have_as_many_constituents_as_those_of_jets():
    sizes = []
    for most in (15, 128, 1000, 16_384):
        plan = Plan(Options("table", max_constituents=most), [Source("a", "a.h5", 1, "", 60_000)])
        sizes.append((plan.piece_jets, plan.bucket_jets))
    assert sizes == [(50_000, 50_000), (50_000, 50_000), (6400, 6400), (1000, 1000)]


@pytest.mark.parametrize("command, arguments", [
    (convert_jetclass, ["jets"]), (convert_btag, ["jets"]), (convert_table, ["a.yaml", "jets"])])
def test_more_constituents_than_kaon_reads_are_refused(capsys, command, arguments):
    with pytest.raises(SystemExit):
        command([*arguments, "--output", "out", "--max-constituents", "16385"])
    assert "16385 is above 16384" in capsys.readouterr().err


@pytest.mark.parametrize("changes, said", [
    ({"identity": None}, "identity is missing: give a condition for each of the identities"),
    ({"identity": {"jet": "kind == 0", "tau": "kind > 0"}}, "has the unknown identity tau: use jet, muon, met"),
    ({"identity": {"jet": "kind == 0", "muon": "kind == 1"}}, "has a constituent of no identity"),
    ({"identity": "kind + 1"}, "has a constituent whose identity is not 0 … 2"),
    ({"identities": ["jet", "jet"]}, "identities has the name jet twice"),
    ({"identities": [f"kind {number}" for number in range(65)]}, "identities needs 1 to 64 names"),
    ({"identities": "jet"}, "identities is 'jet': give a list"),
    ({"features": {"pt": "pt", "eta": "eta"}}, "features lacks phi: pt (GeV), deta and dphi are required for jets"),
    ({"features": {"pt": "pt"}}, "features lacks deta, dphi: pt (GeV), deta and dphi are required, or pt, eta and phi"),
])
def test_descriptions_of_events_that_do_not_fit(table, tmp_path, changes, said):
    objects(tmp_path)
    settings = {name: value for name, value in (OBJECTS | changes).items() if value is not None}
    assert table(settings, tmp_path / "events.root") == 1
    assert said in table.said and table.said.count("\n") <= 2, table.said


def test_events_of_the_example(table, tmp_path):
    """The branches that examples/events/generate.py writes."""
    rng = np.random.default_rng(6)
    pdg = np.array([22, -211, 2112, 321, 11, -11, 13, -13])
    columns = {name: rng.normal(0, 5, 8).astype("f4") for name in ("px", "py", "pz", "d0", "dz")}
    columns |= {"pdg": pdg.astype("i4"), "charge": np.array([0, -1, 0, 1, -1, 1, -1, 1], "f4")}
    lists = ak.zip({name: ak.unflatten(values, [8]) for name, values in columns.items()})
    for name in ("qcd", "ttbar", "zjets"):
        with uproot.recreate(tmp_path / f"{name}.root") as file:
            file.mktree("events", {"part": lists.type}).extend({"part": lists})
    sources = [tmp_path / f"{name}.root" for name in ("qcd", "ttbar", "zjets")]
    assert table("events", *sources) == 0, table.said
    arrays = arrays_of(table.path)
    assert arrays["csts/names"] == ["pt", "eta", "phi", "d0", "dz", "cosphi", "sinphi"]
    assert sorted(arrays["labels"]) == [0, 1, 2]
    assert sorted(arrays["csts_id"][:8]) == list(range(8))
