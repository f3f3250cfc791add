"""Conversion of the secondary-vertex data set."""

import awkward as ak
import h5py
import makers
import numpy as np
from test_physics import scalar_signs

import kaon_data


def test_tracks_flavours_and_vertices(run, tmp_path):
    arrays = makers.btag_arrays(50, seed=1)
    path = run(makers.write_root(tmp_path / "in.root", arrays), form="btag", mix=False) / "jets_000.h5"
    jets = kaon_data.read(path)
    assert ak.to_list(jets.label) == [{0: 0, 4: 1, 5: 2}[flavour] for flavour in arrays["jet_flav"]]
    assert jets.attrs["class_names"] == ["light", "c", "b"]
    for jet in range(50):
        track = {name[4:]: ak.to_numpy(arrays[name][jet]).astype(float) for name in arrays if name.startswith("trk_")}
        order = np.argsort(-track["pt"], kind="stable")[:15]
        axis = [float(arrays[f"jet_{name}"][jet]) for name in ("pt", "eta", "phi")]
        found = jets.constituents[jet]
        signs = np.array([
            scalar_signs(*(track[name][i] for name in ("d0", "z0", "pt", "eta", "phi")), *axis) for i in order
        ])
        np.testing.assert_allclose(found.pt, track["pt"][order], rtol=1e-6)
        np.testing.assert_allclose(found.deta, track["eta"][order] - axis[1], atol=1e-6)
        assert ak.max(abs(found.dphi)) < 1
        np.testing.assert_allclose(found.d0, signs[:, 0], rtol=1e-6)
        np.testing.assert_allclose(found.dz, signs[:, 1], rtol=1e-6)
        np.testing.assert_array_equal(found.vtx_id, track["vtx_index"][order])
        vertices = ak.to_numpy(arrays["true_vtx_x"][jet])
        np.testing.assert_array_equal(jets.vtx_pos[jet][:len(vertices), 0], vertices)
        assert not np.any(jets.vtx_pos[jet][len(vertices):])


def test_track_types_tell_the_origin(run, tmp_path):
    arrays = makers.btag_arrays(2, seed=2)
    tracks = {"pt": 6, "eta": 6, "phi": 6, "d0": 6, "d0err": 6, "z0": 6, "z0err": 6, "charge": 6}
    for name in tracks:
        kind = ak.type(arrays[f"trk_{name}"]).content.content
        arrays[f"trk_{name}"] = ak.values_astype(ak.Array([[6, 5, 4, 3, 2, 1], [1]]), str(kind))
    arrays["trk_pdg_id"] = ak.values_astype(ak.Array([[211, 211, 11, 13, 211, 321], [211]]), "i4")
    arrays["trk_charge"] = ak.values_astype(ak.Array([[1, -1, -1, 1, 1, 1], [1]]), "f4")
    arrays["trk_vtx_index"] = ak.values_astype(ak.Array([[0, 0, 0, 0, 0, 0], [0]]), "i4")
    #                                            PV   c    b    c and b   other  hadron of no heavy flavour
    arrays["trk_prod_z"] = ak.values_astype(ak.Array([[0.0, 1.5, 2.5, 3.5, 4.5, 5.5], [2.5]]), "f4")
    arrays["hadron_pdgid"] = ak.values_astype(ak.Array([[411, -521, 4122, 5122, 310], []]), "i4")
    arrays["hadron_z"] = ak.values_astype(ak.Array([[1.5, 2.5, 3.5, 3.5, 5.5], []]), "f4")
    jets = kaon_data.read(
        run(makers.write_root(tmp_path / "in.root", arrays), form="btag", mix=False) / "jets_000.h5"
    )
    assert ak.to_list(jets.constituents.track_type) == [[0, 1, 2, 2, 3, 3], [3]]
    assert ak.to_list(jets.constituents.id) == [[3, 1, 4, 7, 3, 3], [3]]


def test_padding_of_the_padded_layout(run, tmp_path):
    source = makers.write_root(tmp_path / "in.root", makers.btag_arrays(30, seed=3))
    with h5py.File(run(source, form="btag", layout="padded") / "jets_000.h5") as file:
        assert file["csts"].shape == (30, 15, 7)
        assert file["vtx_pos"].shape[0] == 30 and file["vtx_pos"].shape[2] == 4
        mask = file["mask"][:]
        assert (file["track_type"][:][~mask] == -1).all()
        assert (file["track_type"][:][mask] >= 0).all()
        for name in ("csts", "csts_id", "vtx_id"):
            assert not file[name][:][~mask].any()
