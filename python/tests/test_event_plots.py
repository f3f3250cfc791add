"""Figures of events show their own features and identities, and generated and reconstructed events too."""

import h5py
import kaon_data
import numpy as np
import pytest

pytest.importorskip("mplhep")

from kaon_plots import panels  # noqa: E402
from kaon_plots.cli import main  # noqa: E402

KINDS = ["jet", "b jet", "charged lepton", "met"]


def write(path, seed=0, features=("pt", "eta", "phi", "d0", "energy"), kinds=KINDS, events=60):
    """Events with 1 … 9 objects; d0 is of charged leptons alone."""
    random = np.random.default_rng(seed)
    counts = random.integers(1, 10, events)
    total = counts.sum()
    identity = random.integers(0, len(kinds), total)
    pt, eta, phi = random.exponential(50, total) + 1, random.normal(0, 1, total), random.uniform(-3.1, 3.1, total)
    values = {
        "pt": pt, "eta": eta, "phi": phi, "d0": np.where(identity == 2, random.normal(0, 0.1, total), 0),
        "energy": pt * np.cosh(3 * eta), "cosphi": np.cos(phi), "sinphi": np.sin(phi)}
    values = with_own_angles(values, features)
    with h5py.File(path, "w") as file:
        fill(file, np.column_stack([values.get(name, np.zeros(total)) for name in features]), identity, counts,
             features, kinds)
        file["labels"] = np.arange(events) % 2
        file["labels"].attrs["names"] = ["signal", "background"]
    return values, identity, counts


def fill(group, csts, identity, counts, features, kinds):
    group["offsets"] = np.r_[0, np.cumsum(counts)]
    group["csts"] = csts.astype(np.float32)
    group["csts"].attrs["names"] = list(features)
    group["csts_id"] = identity.astype(np.uint8)
    group["csts_id"].attrs["names"] = kinds


@pytest.fixture
def drawn(monkeypatch):
    """Draws a figure; returns its panels by their labels, and the texts of its legend."""
    figures = []
    monkeypatch.setattr("matplotlib.pyplot.close", figures.append)

    def call(*arguments):
        assert main([str(each) for each in arguments]) == 0
        axes = {axis.get_xlabel(): axis for axis in figures[-1].axes if axis.axison}
        return axes, [text.get_text() for legend in figures[-1].legends for text in legend.get_texts()]

    return call


def ticks(axis):
    return [label.get_text() for label in axis.get_xticklabels()]


def test_features_of_events(tmp_path, drawn):
    values, identity, counts = write(tmp_path / "events.h5")
    axes, legend = drawn("features", tmp_path / "events.h5", "--output", tmp_path / "f.png")
    assert set(axes) == {
        r"constituent $p_\mathrm{T}$ [GeV]", r"constituent $\eta$", r"constituent $\phi$ [rad]", "constituents",
        r"$d_\mathrm{0}$ [mm]", "energy", "identity"}
    assert axes["energy"].get_xscale() == "log" and legend == ["events (60 events)"]
    assert ticks(axes["identity"]) == KINDS
    points = axes["identity"].containers[0][0].get_ydata()
    assert points == pytest.approx(np.bincount(identity) / len(identity))
    # Impact parameters are those of charged kinds.
    jets = panels.with_angles(kaon_data.read(tmp_path / "events.h5"))
    assert panels.quantity(jets, panels.D0)[0] == pytest.approx(values["d0"][identity == 2], rel=1e-6)


def test_events_beside_jets_have_the_identities_of_both(tmp_path, drawn):
    write(tmp_path / "events.h5", kinds=["muon", *KINDS])
    write(tmp_path / "jets.h5", features=("pt", "deta", "dphi"), kinds=kaon_data.IDENTITIES)
    axes, legend = drawn("features", tmp_path / "events.h5", tmp_path / "jets.h5", "--output", tmp_path / "f.png")
    assert ticks(axes["identity"])[:5] == [r"$\mu^-$", *KINDS] and len(ticks(axes["identity"])) == 12
    # Six of the names are of the other file alone.
    events, jets = (container[0].get_xdata() for container in axes["identity"].containers)
    assert np.round(events).tolist() == [0, 1, 2, 3, 4] and np.round(jets).astype(int).tolist() == [0, *range(5, 12)]
    assert legend == ["events (60 events)", "jets (60 jets)"]
    assert {r"constituent $\eta$", r"constituent $\Delta\eta$"} <= set(axes)


def test_long_names_of_many_identities_are_turned(tmp_path, drawn):
    kinds = [f"a long name {number}" for number in range(30)]
    write(tmp_path / "events.h5", kinds=kinds)
    axes, _ = drawn("features", tmp_path / "events.h5", "--output", tmp_path / "f.png")
    assert all(label.get_rotation() == 90 for label in axes["identity"].get_xticklabels())
    write(tmp_path / "few.h5")
    axes, _ = drawn("features", tmp_path / "few.h5", "--output", tmp_path / "f.png")
    assert all(label.get_rotation() == 0 for label in axes["identity"].get_xticklabels())


# As kaon generates them: the angles of jets are 0 if φ is given by its cosine and sine, or those of the event.
GENERATED = [
    ("pt", "deta", "dphi", "d0", "d0err", "dz", "dzerr", "eta", "cosphi", "sinphi"),
    ("pt", "deta", "dphi", "d0", "d0err", "dz", "dzerr", "eta", "phi"),
]


def with_own_angles(values, features):
    return values | ({"deta": values["eta"], "dphi": values["phi"]} if "phi" in features else {})


@pytest.mark.parametrize("features", GENERATED)
def test_generated_events(tmp_path, drawn, capsys, features):
    write(tmp_path / "generated.h5", 1, features)
    values, _, _ = write(tmp_path / "data.h5", 2)
    axes, _ = drawn("generated", tmp_path / "generated.h5", tmp_path / "data.h5", "--output", tmp_path / "g.png",
                    "--json", tmp_path / "g.json")
    said = capsys.readouterr()
    assert {line.split()[0] for line in said.out.splitlines()[1:]} == {
        "pt", "eta", "phi", "count", "jet_pt", "jet_mass", "d0"}
    assert "these are measures of jets, and the files have events" in said.err
    assert r"event $p_\mathrm{T}$ [GeV]" in axes and r"constituent $\Delta\eta$" not in axes
    assert ticks(axes["identity"]) == KINDS
    write(tmp_path / "jets.h5", features=("pt", "deta", "dphi"))
    with h5py.File(tmp_path / "jets.h5", "r+") as file:
        file["csts"][:, 1] = 0.1
    assert main(["generated", str(tmp_path / "jets.h5"), str(tmp_path / "data.h5"), "--output", "g.png"]) == 1
    assert "one of the files has events, the other jets" in capsys.readouterr().err


@pytest.mark.parametrize("features", GENERATED)
@pytest.mark.parametrize("kind", [[], ["--plane"], ["--pooled"]])
def test_reconstructed_events(tmp_path, drawn, kind, features):
    values, identity, counts = write(tmp_path / "e.h5")
    values = with_own_angles(values, features)
    rows = np.column_stack([values.get(name, np.zeros(len(identity))) for name in features])
    with h5py.File(tmp_path / "r.h5", "w") as file:
        file["labels"] = np.zeros(len(counts), int)
        file.attrs["reconstructions"] = ["kmeans"]
        for name in ("original", "survivors", "dropped", "kmeans"):
            fill(file.create_group(name), rows, identity, counts, features, KINDS)
    axes, _ = drawn("reconstruction", tmp_path / "r.h5", *kind, "--output", tmp_path / "r.png")
    if kind == ["--pooled"]:
        assert ticks(axes["identity"]) == KINDS and r"event $p_\mathrm{T}$ [GeV]" in axes
        assert r"constituent $\phi$ [rad]" in axes and r"constituent $\Delta\phi$ [rad]" not in axes
    else:
        assert r"$\eta$" in axes and r"$\Delta\eta$" not in axes
        assert axes[r"$\eta$"].get_figure().axes[0].get_ylabel().startswith("event 0\n")
    from kaon_plots.reconstruction import read
    first = read([tmp_path / "r.h5"]).original[0]
    assert first[:, 1:3] == pytest.approx(np.column_stack([values["eta"], values["phi"]])[:counts[0]], abs=1e-5)
    assert first[:, 7].astype(int).tolist() == identity[:counts[0]].tolist()
