"""Writes small files in the layouts of published data sets."""

import h5py
import numpy as np


def four_momenta(jets, seed=0, most=30):
    """Massless constituents of jets by decreasing pT: lists of (E, px, py, pz), and labels 0 and 1."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(jets):
        count = rng.integers(2, most)
        pt = np.sort(rng.exponential(20, count) + 0.5)[::-1]
        eta = rng.normal(0.8, 0.2, count)
        # Jets near ±π, whose constituents are on both sides.
        phi = np.pi - 0.1 + rng.normal(0, 0.2, count) if number % 3 == 0 else rng.normal(0.5, 0.2, count)
        found.append(np.stack([pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=1))
    return found, np.arange(jets) % 2


def top_tagging(path, jets=60, seed=0):
    """Zenodo 2603256: a table of pandas, [E_i, PX_i, PY_i, PZ_i] for i = 0 … 199, padded with zeros."""
    import pandas

    momenta, labels = four_momenta(jets, seed)
    values = np.zeros((jets, 200, 4), "f4")
    for number, each in enumerate(momenta):
        values[number, :len(each)] = each
    names = [f"{name}_{i}" for i in range(200) for name in ("E", "PX", "PY", "PZ")]
    frame = pandas.DataFrame(values.reshape(jets, 800), columns=names)
    for name in ("truthE", "truthPX", "truthPY", "truthPZ"):
        frame[name] = np.float32(0)
    frame["ttv"], frame["is_signal_new"] = 0, labels
    frame.to_hdf(path, key="table", format="table", mode="w", complib="blosc", complevel=5)
    return momenta, labels


def quark_gluon(path, jets=60, seed=0):
    """Zenodo 3164691: X [jets, M, 4] with pT, rapidity, azimuth in 0 … 2π and PDG number, and y."""
    momenta, labels = four_momenta(jets, seed)
    rng = np.random.default_rng(seed)
    codes = np.array([22, 211, -211, 130, 321, -321, 2112, -2112, 2212, -2212, 11, -11, 13, -13])
    values = np.zeros((jets, max(map(len, momenta)), 4))
    for number, each in enumerate(momenta):
        pt = np.hypot(each[:, 1], each[:, 2])
        values[number, :len(each)] = np.stack([
            pt, np.arcsinh(each[:, 3] / pt), np.arctan2(each[:, 2], each[:, 1]) % (2 * np.pi),
            rng.choice(codes, len(each))], axis=1)
    np.savez_compressed(path, X=values, y=labels.astype(float))
    return momenta, values


def jetnet(folder, jets=20, slots=30):
    """Zenodo 6975118: particle_features [jets, slots, 4] with η_rel, φ_rel, pT_rel, mask; jet_features [jets, 4]."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for seed, name in enumerate("gqtwz"):
        rng = np.random.default_rng(seed)
        count = rng.integers(1, slots + 1, jets)
        mask = np.arange(slots) < count[:, None]
        ptrel = np.sort(rng.random((jets, slots)) + 0.01, axis=1)[:, ::-1] * mask
        features = np.stack([rng.normal(0, 0.1, mask.shape), rng.normal(0, 0.1, mask.shape), ptrel, mask], axis=2)
        features[~mask] = 0
        jet = np.stack([rng.uniform(800, 1200, jets), rng.normal(size=jets), rng.uniform(20, 200, jets), count], axis=1)
        with h5py.File(folder / f"{name}.hdf5", "w") as file:
            file["particle_features"], file["jet_features"] = features.astype("f4"), jet.astype("f4")
        found[name] = features, jet
    return found


def top_landscape(path, jets=60, seed=0):
    """Parquet files of ParT: lists of constituents, and numbers of jets."""
    import pyarrow
    from pyarrow import parquet

    momenta, labels = four_momenta(jets, seed)
    total = np.array([each.sum(axis=0) for each in momenta])
    pt = np.hypot(total[:, 1], total[:, 2])
    eta, phi = np.arcsinh(total[:, 3] / pt), np.arctan2(total[:, 2], total[:, 1])
    mass = np.sqrt(np.maximum(total[:, 0]**2 - (total[:, 1:]**2).sum(axis=1), 0))
    columns = {
        "label": labels, "jet_pt": pt, "jet_eta": eta, "jet_phi": phi, "jet_energy": total[:, 0], "jet_mass": mass}
    for number, name in enumerate(("energy", "px", "py", "pz")):
        columns[f"part_{name}"] = [each[:, number].tolist() for each in momenta]
    own_eta = [np.arcsinh(each[:, 3] / np.hypot(each[:, 1], each[:, 2])) for each in momenta]
    own_phi = [np.arctan2(each[:, 2], each[:, 1]) for each in momenta]
    columns["part_deta"] = [(each - axis).tolist() for each, axis in zip(own_eta, eta)]
    columns["part_dphi"] = [
        ((each - axis + np.pi) % (2 * np.pi) - np.pi).tolist() for each, axis in zip(own_phi, phi)]
    parquet.write_table(pyarrow.table(columns), path, row_group_size=25)
    return momenta, labels
