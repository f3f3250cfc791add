"""Reader for the secondary-vertex (BTag) data set: entries of a ROOT file to jets."""

import numpy as np

from . import physics
from .checks import Checks
from .formats import FEATURES
from .jetclass import leading
from .sources import read_entries
from .tables import Ragged, Table

_CONTINUOUS = ["trk_pt", "trk_eta", "trk_phi", "trk_d0", "trk_d0err", "trk_z0", "trk_z0err", "trk_prod_z"]
_TRACK = [*_CONTINUOUS, "trk_charge", "trk_pdg_id", "trk_vtx_index"]
_JET = ["jet_pt", "jet_eta", "jet_phi", "jet_M"]
_VERTEX = ["true_vtx_x", "true_vtx_y", "true_vtx_z", "true_vtx_L3D"]
_HADRON = ["hadron_pdgid", "hadron_z"]
BRANCHES = [*_TRACK, *_JET, "jet_flav", *_VERTEX, *_HADRON]

_FLAVOURS = np.array([0, 4, 5])
_TOLERANCE = 1e-6


def read(source, start, stop, options):
    """Returns the jets of entries start ..< stop in order, which entries are unusable, the numbers of tracks, and the
    number of tracks of zeros only, which were removed.

    Track angles become relative to the jet axis; flavours 0, 4, 5 become the labels 0, 1, 2.
    """
    raw = read_entries(source, BRANCHES, start, stop)
    checks = Checks(source.path, start, stop - start, options.skip_bad)
    checks.one_value(raw, [*_JET, "jet_flav"])
    for names in (_TRACK, _VERTEX, _HADRON):
        checks.equal_lengths(raw, names)
    for name in [*_CONTINUOUS, "trk_charge", *_JET, *_VERTEX]:
        checks.finite(name, raw[name])
    flavour = raw["jet_flav"][:, None] == _FLAVOURS
    checks.require("jet_flav", flavour.any(axis=1), "is not one of the flavours 0, 4, 5")

    tracks = Ragged(raw["trk_pt"].offsets, {name: raw[name].columns[name] for name in _TRACK})
    # The index of the vertex may be padded with another number.
    tracks, padding = tracks.without_padding([name for name in _TRACK if name != "trk_vtx_index"])
    owner = tracks.jet_of_row
    column = {name: tracks.columns[name].astype(np.float64) for name in _CONTINUOUS}
    jet_pt, jet_eta, jet_phi = (raw[name].astype(np.float64)[owner] for name in _JET[:3])
    checks.require("trk_pt", column["trk_pt"] > 0, "has a track without transverse momentum", owner)

    pdg = np.abs(tracks.columns["trk_pdg_id"].astype(np.int64))
    electron, muon, photon = pdg == 11, pdg == 13, pdg == 22
    identity = physics.identities(
        physics.whole(tracks.columns["trk_charge"]), photon, ~(electron | muon | photon), electron, muon
    )
    checks.require("trk_pdg_id", identity >= 0, "has a lepton without charge", owner)

    d0, dz = physics.lifetime_signed(
        column["trk_d0"], column["trk_z0"], column["trk_pt"], column["trk_eta"], column["trk_phi"],
        jet_pt, jet_eta, jet_phi,
    )
    csts = np.stack([
        column["trk_pt"], column["trk_eta"] - jet_eta, physics.wrapped(column["trk_phi"] - jet_phi),
        d0, column["trk_d0err"], dz, column["trk_z0err"],
    ], axis=1).astype(np.float32)
    checks.finite_columns(FEATURES, tracks.offsets, csts)
    constituents = leading(
        Ragged(tracks.offsets, {
            "csts": csts,
            "csts_id": np.maximum(identity, 0).astype(np.uint8),
            "vtx_id": tracks.columns["trk_vtx_index"].astype(np.int16),
            "track_type": track_types(
                Ragged(tracks.offsets, {"z": column["trk_prod_z"]}),
                Ragged(raw["hadron_z"].offsets, {name: raw[name].columns[name] for name in _HADRON}),
            ),
        }),
        options.max_constituents,
    )
    vertices = Ragged(
        raw[_VERTEX[0]].offsets,
        {"vtx_pos": np.stack([raw[name].columns[name] for name in _VERTEX], axis=1).astype(np.float32)},
    )
    jets = np.stack([raw[name] for name in _JET] + [constituents.counts], axis=1).astype(np.float32)
    labels = flavour.argmax(axis=1).astype(np.uint8)
    return Table({"labels": labels, "jets": jets}, constituents, vertices), checks.bad, tracks.counts, padding


def track_types(tracks, hadrons):
    """Origin of each track: 2 decay of a b hadron, 1 decay of a c hadron, 0 primary vertex, 3 other.

    Production z and decay z match within 1e-6; if several match, the heavier hadron is taken.
    """
    # Compare in single precision: if only one of them is stored so, rounding would make them differ.
    z = tracks.columns["z"].astype(np.float32)
    types = np.where(np.abs(z) < _TOLERANCE, 0, 3).astype(np.int8)
    owner = tracks.jet_of_row
    decays = hadrons.columns["hadron_z"].astype(np.float32)
    pdg = hadrons.columns["hadron_pdgid"].astype(np.int64)
    counts = hadrons.counts[owner]
    # A jet has few hadrons: for each k, process the k-th hadron of all jets at once.
    for kind, belongs in ((1, physics.is_charm_hadron(pdg)), (2, physics.is_bottom_hadron(pdg))):
        for k in range(counts.max(initial=0)):
            there = np.flatnonzero(counts > k)
            hadron = hadrons.offsets[owner[there]] + k
            same = belongs[hadron] & (np.abs(z[there] - decays[hadron]) < _TOLERANCE)
            types[there[same]] = kind
    return types
