"""Jet files that other programs write: byte orders, further objects, links, suffixes."""

import awkward as ak
import h5py
import numpy as np
import pytest

import kaon_data
from kaon_plots.cli import main as plot


def write(path, order="<", mask_size=1, **further):
    rng = np.random.default_rng(1)
    mask = np.zeros((20, 5), f"{order}i{mask_size}")
    mask[:, :3] = 1
    with h5py.File(path, "w") as file:
        file["csts"] = rng.uniform(1, 2, (20, 5, 7)).astype(f"{order}f4")
        file["csts_id"] = np.ones((20, 5), f"{order}i4")
        file["mask"] = mask
        file["labels"] = (np.arange(20) % 2).astype(f"{order}i8")
        file["jets"] = rng.uniform(100, 200, (20, 4)).astype(f"{order}f8")
        file["weight"] = np.arange(20).astype(f"{order}f4")
        for name, value in further.items():
            file[name] = value
    return path


def test_big_endian_files(tmp_path):
    little, big = write(tmp_path / "little.h5"), write(tmp_path / "big.h5", ">", mask_size=4)
    assert ak.array_equal(kaon_data.read(little), kaon_data.read(big))
    assert plot(["features", str(big), "--labels", "--output", str(tmp_path / "f.png")]) == 0


def test_big_endian_packed_files(tmp_path):
    padded = write(tmp_path / "padded.h5")
    with h5py.File(padded) as source, h5py.File(tmp_path / "packed.h5", "w") as file:
        file["offsets"] = np.arange(0, 61, 3).astype(">i8")
        file["csts"] = source["csts"][:, :3].reshape(-1, 7).astype(">f8")
        file["csts_id"] = np.ones(60, ">i4")
        file["labels"] = source["labels"][:].astype(">u4")
    jets = kaon_data.read(tmp_path / "packed.h5", 5, 15)
    expected = kaon_data.read(padded, 5, 15)
    assert ak.all(jets.constituents.pt == expected.constituents.pt)


@pytest.mark.parametrize(
    "further",
    [
        h5py.SoftLink("/nowhere"), h5py.ExternalLink("missing.h5", "/x"), np.array(["text"] * 20, dtype=object),
    ],
)
def test_further_objects_are_left_out(tmp_path, further):
    path = write(tmp_path / "a.h5", further=further)
    with h5py.File(path, "a") as file:
        file.create_group("group")["labels"] = np.zeros(20)
    assert kaon_data.read(path).fields == ["label", "pt", "eta", "phi", "mass", "constituents", "weight"]


@pytest.mark.parametrize("name", ["labels", "mask", "csts", "csts_id"])
@pytest.mark.parametrize("link", [h5py.SoftLink("/nowhere"), h5py.ExternalLink("missing.h5", "/x"), None])
def test_needed_datasets_behind_dangling_links_are_named(tmp_path, capsys, name, link):
    path = write(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        del file[name]
        if link is None:
            file.create_group(name)
        else:
            file[name] = link
    assert plot(["features", str(path), "--output", str(tmp_path / "f.png")]) == 1
    error = capsys.readouterr().err
    assert f"dataset /{name} is missing in {path}" in error and len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "shape"), [
        ("csts", (20, 7, 5)), ("csts_id", (20,)), ("mask", (20, 4)), ("jets", (20,)), ("jets", (19, 4)),
        ("labels", (19,)), ("vtx_id", (19, 5)), ("track_type", (20,)),
    ])
def test_other_shapes_are_named(tmp_path, name, shape):
    path = write(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        if name in file:
            del file[name]
        file[name] = np.ones(shape, "i4")
    with pytest.raises(kaon_data.DataError, match="a.h5: /.* has the shape"):
        kaon_data.read(path)


@pytest.mark.parametrize(("name", "value", "message"), [
    ("csts_id", np.full((20, 5), 303), "/csts_id has the value 303, expected 0 … 255"),
    ("csts_id", np.full((20, 5), -1), "/csts_id has the value -1, expected 0 … 255"),
    ("csts_id", np.ones((20, 5)), "/csts_id has values of type float64, expected integers"),
    ("csts", np.full((20, 5, 7), b"x"), "/csts has values of type |S1, expected numbers"),
    ("offsets", np.arange(20), "/offsets has the shape (20,), expected 21 rows"),
])
def test_other_values_are_named(tmp_path, name, value, message):
    path = write(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        if name in file:
            del file[name]
        file[name] = value
    with pytest.raises(kaon_data.DataError) as caught:
        kaon_data.read(path)
    assert message in str(caught.value)


def test_further_datasets_do_not_replace_fields(tmp_path):
    path = write(tmp_path / "a.h5", pt=np.full(20, -1.0), label=np.full(20, 7), constituents=np.zeros(20))
    expected = kaon_data.read(write(tmp_path / "b.h5"))
    assert ak.array_equal(kaon_data.read(path), expected)


def test_a_single_name_is_one_class(tmp_path):
    path = write(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        file["labels"].attrs["names"] = "jets"
    assert kaon_data.read(path).attrs["class_names"] == kaon_data.class_names(path) == ["jets"]


@pytest.mark.parametrize("command", [["features"], ["features", "--labels"], ["generated"]])
def test_a_value_that_is_not_finite_is_named(tmp_path, capsys, command):
    path = str(write(tmp_path / "a.h5"))
    with h5py.File(path, "a") as file:
        file["csts"][3, 1, 1] = np.nan
    files = [path] * (2 if command == ["generated"] else 1)
    assert plot([command[0], *files, *command[1:], "--output", str(tmp_path / "f.png")]) == 1
    assert "deta has 1 value that is not finite" in capsys.readouterr().err


def test_both_suffixes_in_a_folder(tmp_path):
    write(tmp_path / "b.h5"), write(tmp_path / "a.hdf5")
    assert kaon_data.files(tmp_path) == [str(tmp_path / "a.hdf5"), str(tmp_path / "b.h5")]
    (tmp_path / "b.h5").unlink()
    assert len(kaon_data.read(tmp_path)) == 20


@pytest.mark.parametrize("command", ["roc", "confusion", "observables", "reconstruction"])
@pytest.mark.parametrize("is_link", [True, False])
def test_other_figures_name_files_without_datasets(tmp_path, capsys, command, is_link):
    path = tmp_path / "predictions.h5"
    with h5py.File(path, "w") as file:
        for name in ("scores", "labels", "jet_pt", "original"):
            if is_link:
                file[name] = h5py.SoftLink("/nowhere")
            else:
                file.create_group(name)
    assert plot([command, str(path), "--output", str(tmp_path / "f.png")]) == 1
    error = capsys.readouterr().err
    assert str(path) in error and len(error.splitlines()) == 1


@pytest.mark.parametrize(("scores", "labels", "expected"), [
    (np.full(20, np.nan), [0, 1] * 10, "the scores are not finite numbers"),
    (np.arange(20), [0, 1] * 10, "the scores are not finite numbers"),
    (np.linspace(0, 1, 20), np.linspace(0, 1, 20), "labels has values of type float64"),
    (np.linspace(0, 1, 20), np.zeros((20, 2), int), "labels has values of type int64 and the shape (20, 2)"),
])
def test_predictions_that_are_not_numbers_are_named(tmp_path, capsys, scores, labels, expected):
    path = tmp_path / "predictions.h5"
    with h5py.File(path, "w") as file:
        file["scores"], file["labels"] = scores, labels
    assert plot(["roc", str(path), "--output", str(tmp_path / "f.png")]) == 1
    error = capsys.readouterr().err
    assert expected in error and len(error.splitlines()) == 1


def test_predictions_beside_further_objects(tmp_path):
    path = tmp_path / "predictions.h5"
    with h5py.File(path, "w") as file:
        file["scores"], file["labels"] = np.linspace(0, 1, 20, dtype=">f4"), np.array([0, 1] * 10, ">i4")
        file.create_group("group")
        file["dangling"] = h5py.SoftLink("/nowhere")
    assert plot(["roc", str(path), "--output", str(tmp_path / "f.png")]) == 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"labels": 1.0}, "dataset /labels in a.h5 is a single value"),
        ({"csts": 1.0}, "dataset /csts in a.h5 is a single value"),
        ({"labels": np.zeros(0, "i4"), "csts": np.zeros((0, 5, 7), "f4"), "csts_id": np.zeros((0, 5), "i4"),
          "mask": np.zeros((0, 5), bool), "jets": np.zeros((0, 4)), "weight": np.zeros(0)}, "a has no jets"),
        ({"offsets": np.arange(21)[::-1]}, "/offsets does not divide the 20 constituents"),
        ({"offsets": np.arange(21, dtype="u4")[::-1]}, "/offsets does not divide the 20 constituents"),
        ({"offsets": np.arange(21) * 5}, "/offsets does not divide the 20 constituents"),
    ],
)
def test_contents_that_cannot_be_drawn_are_named(tmp_path, monkeypatch, capsys, change, expected):
    monkeypatch.chdir(tmp_path)
    path = write("a.h5")
    with h5py.File(path, "a") as file:
        for name, value in change.items():
            if name in file:
                del file[name]
            file[name] = value
    for command in (["features", path], ["features", path, "--labels"], ["generated", path, path]):
        assert plot([*command, "--output", "f.png"]) == 1
        error = capsys.readouterr().err
        assert (expected in error or "no constituents" in error) and len(error.splitlines()) == 1


@pytest.mark.parametrize("command", ["features", "reconstruction", "observables"])
@pytest.mark.parametrize("kind", ["folder", "text", "empty", "cut", "missing"])
def test_what_is_no_jet_file_is_one_line(tmp_path, capsys, command, kind):
    path = tmp_path / "a.h5"
    if kind == "folder":
        path.mkdir()
    elif kind == "cut":
        write(path)
        path.write_bytes(path.read_bytes()[:2000])
    elif kind != "missing":
        path.write_text("text" if kind == "text" else "")
    assert plot([command, str(path), "--output", str(tmp_path / "f.png")]) == 1
    error = capsys.readouterr().err
    assert "a.h5" in error and len(error.splitlines()) == 1
