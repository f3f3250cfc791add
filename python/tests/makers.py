"""Small ROOT files in the schemas of the data sets, with random jets."""

import awkward as ak
import numpy as np
import uproot

from kaon_data.formats import JETCLASS

FLAGS = ["isPhoton", "isChargedHadron", "isNeutralHadron", "isElectron", "isMuon"]


def jetclass_arrays(jets, label="QCD", seed=0, largest=40):
    """The branches of a JetClass file; jet_pt counts up from 500 to identify the jets."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, largest + 1, jets)
    total = counts.sum()
    kind = rng.choice(5, total, p=[0.4, 0.4, 0.1, 0.05, 0.05])
    charge = np.where(np.isin(kind, (0, 2)), 0, rng.choice([-1, 1], total))
    pt, phi = rng.exponential(10, total) + 0.5, rng.uniform(-np.pi, np.pi, total)
    part = {
        "px": pt * np.cos(phi), "py": pt * np.sin(phi), "deta": rng.normal(0, 0.4, total),
        "dphi": rng.normal(0, 0.4, total),
    }
    for name in ("d0", "dz"):
        part[name + "val"] = np.where(charge, rng.normal(0, 0.2, total), 0)
        part[name + "err"] = np.where(charge, rng.uniform(0, 0.1, total), 0)
    arrays = {f"part_{name}": ak.unflatten(values.astype("f4"), counts) for name, values in part.items()}
    arrays["part_charge"] = ak.unflatten(charge.astype("i4"), counts)
    for number, flag in enumerate(FLAGS):
        arrays[f"part_{flag}"] = ak.unflatten((kind == number).astype("i4"), counts)
    arrays["jet_pt"] = (500 + np.arange(jets)).astype("f4")
    arrays["jet_eta"] = rng.uniform(-2, 2, jets).astype("f4")
    arrays["jet_phi"] = rng.uniform(-np.pi, np.pi, jets).astype("f4")
    arrays["jet_sdmass"] = rng.uniform(0, 200, jets).astype("f4")
    for name in JETCLASS.classes:
        arrays[f"label_{name}"] = np.full(jets, name == label, "i4")
    return arrays


def btag_arrays(jets, seed=0):
    """The branches of a file of the secondary-vertex set, with some hadrons and vertices in every jet."""
    rng = np.random.default_rng(seed)
    counts, vertices = rng.integers(1, 25, jets), rng.integers(1, 5, jets)
    total = counts.sum()
    pdg = rng.choice([211, 321, 11, 13], total)
    charge = rng.choice([-1, 1], total)
    track = {
        "pt": rng.exponential(5, total) + 0.5, "d0": rng.normal(0, 1, total), "d0err": rng.uniform(0, 1, total),
        "z0": rng.normal(0, 1, total), "z0err": rng.uniform(0, 1, total), "prod_z": rng.normal(0, 5, total),
    }
    jet_eta = rng.uniform(-2, 2, jets).astype("f4")
    jet_phi = rng.uniform(-np.pi, np.pi, jets).astype("f4")
    track["eta"] = np.repeat(jet_eta, counts) + rng.normal(0, 0.1, total)
    track["phi"] = (np.repeat(jet_phi, counts) + rng.normal(0, 0.1, total) + np.pi) % (2 * np.pi) - np.pi
    arrays = {f"trk_{name}": ak.unflatten(values.astype("f4"), counts) for name, values in track.items()}
    arrays["trk_charge"] = ak.unflatten(charge.astype("f4"), counts)
    arrays["trk_pdg_id"] = ak.unflatten((pdg * charge).astype("i4"), counts)
    arrays["trk_vtx_index"] = ak.unflatten(rng.integers(0, np.repeat(vertices, counts)).astype("i4"), counts)
    for name in ("x", "y", "z", "L3D"):
        arrays[f"true_vtx_{name}"] = ak.unflatten(rng.normal(0, 5, vertices.sum()).astype("f4"), vertices)
    hadrons = rng.integers(0, 3, jets)
    arrays["hadron_pdgid"] = ak.unflatten(rng.choice([411, 521, 4122, 5122, 310], hadrons.sum()).astype("i4"), hadrons)
    arrays["hadron_z"] = ak.unflatten(rng.normal(0, 5, hadrons.sum()).astype("f4"), hadrons)
    arrays["jet_pt"] = (20 + np.arange(jets)).astype("f4")
    arrays["jet_eta"], arrays["jet_phi"] = jet_eta, jet_phi
    arrays["jet_M"] = rng.uniform(1, 20, jets).astype("f4")
    arrays["jet_flav"] = rng.choice([0, 4, 5], jets).astype("i4")
    arrays["n_trks"] = counts.astype("i4")
    return arrays


def write_root(path, arrays, tree="tree"):
    with uproot.recreate(path) as file:
        types = {name: array.type if isinstance(array, ak.Array) else array.dtype for name, array in arrays.items()}
        types = {
            name: f"var * {kind.content.content}" if isinstance(arrays[name], ak.Array) else kind
            for name, kind in types.items()
        }
        file.mktree(tree, types).extend(arrays)
    return path
