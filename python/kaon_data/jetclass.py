"""Reader for JetClass: entries of a ROOT file to jets."""

import numpy as np

from . import physics
from .checks import Checks
from .formats import FEATURES, JETCLASS
from .sources import read_entries
from .tables import Ragged, Table, offsets_of

_CONTINUOUS = ["part_px", "part_py", "part_deta", "part_dphi", "part_d0val", "part_d0err", "part_dzval", "part_dzerr"]
_FLAGS = ["part_isPhoton", "part_isChargedHadron", "part_isNeutralHadron", "part_isElectron", "part_isMuon"]
_PART = [*_CONTINUOUS, "part_charge", *_FLAGS]
_JET = ["jet_pt", "jet_eta", "jet_phi", "jet_sdmass"]
_LABELS = [f"label_{name}" for name in JETCLASS.classes]
BRANCHES = [*_PART, *_JET, *_LABELS]

RADIUS = 0.8


def read(source, start, stop, options):
    """Returns the jets of entries start ..< stop in order, which entries are unusable, the numbers of constituents, and
    the number of constituents of zeros only, which were removed.

    `deta` stays as JetClass stores it, multiplied by the sign of the jet's η, which makes both ends of the detector
    equivalent. The lifetime signs need the true Δη, so that sign is undone for them, unless `as_published` requests
    the signs of the authors' public code, which omits this.
    """
    raw = read_entries(source, BRANCHES, start, stop)
    checks = Checks(source.path, start, stop - start, options.skip_bad)
    checks.one_value(raw, [*_JET, *_LABELS])
    checks.equal_lengths(raw, _PART)
    for name in [*_CONTINUOUS, "part_charge", *_JET]:
        checks.finite(name, raw[name])
    onehot = np.stack([raw[name] for name in _LABELS], axis=1) != 0
    checks.require("label_*", onehot.sum(axis=1) == 1, "has no class, or more than one")

    part = Ragged(raw["part_px"].offsets, {name: raw[name].columns[name] for name in _PART})
    part, padding = part.without_padding(_PART)
    owner = part.jet_of_row
    column = {name: values.astype(np.float64) for name, values in part.columns.items() if name in _CONTINUOUS}
    pt = np.hypot(column["part_px"], column["part_py"])
    jet_pt, jet_eta, jet_phi = (raw[name].astype(np.float64)[owner] for name in _JET[:3])
    flags = [part.columns[name] != 0 for name in _FLAGS]
    identity = physics.identities(
        physics.whole(part.columns["part_charge"]), flags[0], flags[1] | flags[2], flags[3], flags[4]
    )
    checks.require("part_is*", identity >= 0, "has a constituent of unknown identity", owner)
    checks.require("part_px, part_py", pt > 0, "has a constituent without transverse momentum", owner)

    deta = column["part_deta"]
    true_deta = deta if options.as_published else deta * np.where(jet_eta > 0, 1.0, -1.0)
    d0, dz = physics.lifetime_signed(
        column["part_d0val"], column["part_dzval"], pt, jet_eta + true_deta, jet_phi + column["part_dphi"],
        jet_pt, jet_eta, jet_phi,
    )
    csts = np.stack([
        pt, np.clip(deta, -RADIUS, RADIUS), np.clip(column["part_dphi"], -RADIUS, RADIUS),
        d0, column["part_d0err"], dz, column["part_dzerr"],
    ], axis=1).astype(np.float32)
    checks.finite_columns(FEATURES, part.offsets, csts)
    constituents = leading(
        Ragged(part.offsets, {"csts": csts, "csts_id": np.maximum(identity, 0).astype(np.uint8)}),
        options.max_constituents,
    )
    jets = np.stack([raw[name] for name in _JET] + [constituents.counts], axis=1).astype(np.float32)
    return Table(
        {"labels": onehot.argmax(axis=1).astype(np.uint8), "jets": jets},
        constituents,
        Ragged(np.zeros(stop - start + 1, np.int64)),
    ), checks.bad, part.counts, padding


def leading(constituents, limit):
    """The `limit` constituents of highest pT of each jet, by decreasing pT; the order of equal pT is kept."""
    owner = constituents.jet_of_row
    order = np.lexsort((-constituents.columns["csts"][:, 0], owner))
    place = np.arange(len(order)) - constituents.offsets[owner]
    order = order[place < limit]
    return Ragged(
        offsets_of(np.minimum(constituents.counts, limit)),
        {name: values[order] for name, values in constituents.columns.items()},
    )
