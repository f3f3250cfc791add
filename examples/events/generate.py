"""Whole events of proton collisions for kaon, before any clustering: PYTHIA 8 with an overlay of pile-up.

    pip install pythia8mc awkward uproot
    python examples/events/generate.py --events 1200 --output events
    convert-table configs/data/events.yaml events --output data/events --split train=0.8,val=0.1,test=0.1

Writes qcd.root, ttbar.root and zjets.root with lists of visible particles with pT > 0.3 GeV and |eta| < 4, about 1000
in an event. Charged particles have impact parameters, smeared by the resolution of a tracker.
"""

import argparse
import pathlib

import awkward as ak
import numpy as np
import pythia8mc
import uproot

PROCESSES = {
    "qcd": ["HardQCD:all = on", "PhaseSpace:pTHatMin = 80."],
    "ttbar": ["Top:gg2ttbar = on", "Top:qqbar2ttbar = on"],
    "zjets": ["WeakBosonAndParton:qqbar2gmZg = on", "WeakBosonAndParton:qg2gmZq = on", "PhaseSpace:pTHatMin = 60.",
              "WeakZ0:gmZmode = 2"],
}
PILE_UP = ["SoftQCD:inelastic = on"]
SPREAD = 50.0
"""Standard deviation of the vertices of pile-up along the beams [mm]."""


def collisions(settings, count, seed):
    """Visible particles of `count` events: momenta [GeV], PDG number, charge, impact parameters [mm]."""
    generator = pythia8mc.Pythia("", False)
    common = ["Print:quiet = on", "Beams:eCM = 13000.", "Random:setSeed = on", f"Random:seed = {seed}"]
    for setting in common + settings:
        if not generator.readString(setting):
            raise SystemExit(f"PYTHIA refuses the setting '{setting}'")
    generator.init()
    particles = generator.nextBatch(count).prt
    particles = particles[particles.status > 0]
    counts, particles = ak.num(particles), ak.flatten(particles)
    px, py, pz, energy = (ak.to_numpy(particles.p[name]).astype(float) for name in ("px", "py", "pz", "e"))
    x, y, z = (ak.to_numpy(ak.fill_none(particles.vProd[name], 0)).astype(float) for name in ("px", "py", "pz"))
    pdg = ak.to_numpy(particles.id)
    kinds, index = np.unique(pdg, return_inverse=True)
    charge = np.array([generator.particleData.charge(int(kind)) for kind in kinds])[index]
    pt = np.maximum(np.hypot(px, py), 1e-9)
    # Straight lines: the curvature changes impact parameters of a millimetre by less than the resolution.
    d0, dz = (x * py - y * px) / pt, z - (x * px + y * py) / pt * pz / pt
    random = np.random.default_rng(seed)
    d0, dz = (each + random.normal(0, 0.02 + 0.1 / pt) for each in (d0, dz))
    columns = {"px": px, "py": py, "pz": pz, "energy": energy, "pdg": pdg, "charge": charge,
               "d0": np.where(charge != 0, d0, 0), "dz": np.where(charge != 0, dz, 0)}
    events = ak.unflatten(ak.zip(columns), counts)
    seen = (pt > 0.3) & (np.abs(pz) < np.sinh(4) * pt) & (np.abs(d0) < 100) & ~np.isin(abs(pdg), (12, 14, 16))
    return events[ak.unflatten(seen, counts)]


def overlay(events, pool, mean, random):
    """The events with a Poisson number of collisions of the pool each, their vertices displaced along the beams."""
    counts = random.poisson(mean, len(events))
    chosen = pool[random.integers(len(pool), size=counts.sum())]
    shifts = random.normal(0, SPREAD, len(chosen))
    chosen["dz"] = ak.where(chosen.charge != 0, chosen.dz + shifts, 0)
    return ak.concatenate([events, ak.flatten(ak.unflatten(chosen, counts), axis=2)], axis=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1200, help="events of each process")
    parser.add_argument("--pile-up", type=float, default=14, help="mean number of further collisions in an event")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=pathlib.Path, default="events", help="folder of the ROOT files")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(options.seed)
    pool = collisions(PILE_UP, max(100, 2 * options.events), 1000 * options.seed)
    for number, (name, settings) in enumerate(PROCESSES.items()):
        events = collisions(settings, options.events, 1000 * options.seed + 1 + number)
        events = overlay(events, pool, options.pile_up, random)
        columns = {column: ak.values_astype(events[column], np.int32 if column == "pdg" else np.float32)
                   for column in events.fields}
        with uproot.recreate(options.output / f"{name}.root") as file:
            tree = file.mktree("events", {"part": ak.zip(columns).type})
            tree.extend({"part": ak.zip(columns)})
        print(f"{name}.root: {len(events)} events with {ak.mean(ak.num(events.px)):.0f} particles")


if __name__ == "__main__":
    main()
