"""The quantities of jets and constituents that figures show: names, units, axes, and how to get them from jets."""

from dataclasses import dataclass

import awkward as ak
import numpy as np

from kaon_results.predictions import ORIGINS

_NEUTRAL = (0, 2)
IDENTITIES = (r"$\gamma$", "$h^-$", r"$h^\mathrm{0}$", "$h^+$", "$e^-$", "$e^+$", r"$\mu^-$", r"$\mu^+$")


@dataclass(frozen=True)
class Panel:
    """One quantity: its name, symbol and unit, what has it, and the scales of its axes."""

    name: str
    symbol: str
    unit: str = ""
    kind: str = "constituent"  # constituent, charged (constituents only) or jet
    scale: str = "linear"  # linear, log, symmetric, signed (logarithmic to both sides), integer or categories
    logarithmic: bool = True
    categories: tuple = ()

    @property
    def label(self):
        return f"{self.symbol} [{self.unit}]" if self.unit else self.symbol

    @property
    def density_label(self):
        if self.scale == "categories":
            return f"fraction of {'jets' if self.kind == 'jet' else 'constituents'}"
        return f"density [1/{self.unit}]" if self.unit else "density"


PT = Panel("pt", r"constituent $p_\mathrm{T}$", "GeV", scale="log")
DETA = Panel("deta", r"constituent $\Delta\eta$", scale="symmetric")
DPHI = Panel("dphi", r"constituent $\Delta\phi$", "rad", scale="symmetric")
D0 = Panel("d0", r"$d_\mathrm{0}$", "mm", "charged", "signed")
DZ = Panel("dz", "$d_z$", "mm", "charged", "signed")
D0ERR = Panel("d0err", r"$\sigma$($d_\mathrm{0}$)", "mm", "charged", "log")
DZERR = Panel("dzerr", r"$\sigma$($d_z$)", "mm", "charged", "log")
IDENTITY = Panel("id", "identity", scale="categories", categories=IDENTITIES)
COUNT = Panel("count", "constituents", kind="jet", scale="integer", logarithmic=False)
JET_PT = Panel("jet_pt", r"jet $p_\mathrm{T}$", "GeV", "jet")
JET_MASS = Panel("jet_mass", "jet mass", "GeV", "jet", logarithmic=False)
ORIGIN = Panel("track_type", "origin of tracks", scale="categories", categories=tuple(ORIGINS))
VERTICES = Panel("vertices", "secondary vertices", kind="jet", scale="integer")


def quantity(jets, panel, calculated=False):
    """The values of a quantity of jets from `kaon_data.read` and the number of the jet of each value, or None if the
    files do not contain it. With `calculated`, pT and mass of jets are those of the sum of their constituents."""
    constituents = jets.constituents
    if panel.kind == "jet":
        values = _of_jets(jets, panel.name, calculated)
        return None if values is None else (values, np.arange(len(values)))
    if not {panel.name, *(["id"] if panel.kind == "charged" else [])} <= set(constituents.fields):
        return None
    values = ak.to_numpy(ak.flatten(constituents[panel.name]))
    numbers = np.repeat(np.arange(len(constituents)), ak.to_numpy(ak.num(constituents)))
    if panel.kind == "charged":
        charged = ~np.isin(ak.to_numpy(ak.flatten(constituents.id)), _NEUTRAL)
        values, numbers = values[charged], numbers[charged]
    # A feature that the model does not use is zero everywhere.
    if panel.kind == "charged" and not np.any(values):
        return None
    return values, numbers


def _of_jets(jets, name, calculated):
    constituents = jets.constituents
    if name == "count":
        return ak.to_numpy(ak.num(constituents))
    if name == "vertices":
        if "vtx_id" not in constituents.fields:
            return None
        return ak.to_numpy(ak.fill_none(ak.max(constituents.vtx_id, axis=1), 0))
    if calculated:
        return dict(zip(("jet_pt", "jet_mass"), momenta(constituents)))[name]
    name = name.removeprefix("jet_")
    return ak.to_numpy(jets[name]) if name in jets.fields else None


def momenta(constituents):
    """pT and mass of jets from massless constituents, in the frame of the jet axis."""
    pt, eta, phi = (ak.values_astype(constituents[name], np.float64) for name in ("pt", "deta", "dphi"))
    px, py = ak.sum(pt * np.cos(phi), axis=1), ak.sum(pt * np.sin(phi), axis=1)
    pz, energy = ak.sum(pt * np.sinh(eta), axis=1), ak.sum(pt * np.cosh(eta), axis=1)
    transverse = ak.to_numpy(px) ** 2 + ak.to_numpy(py) ** 2
    squared = ak.to_numpy(energy) ** 2 - transverse - ak.to_numpy(pz) ** 2
    return np.sqrt(transverse), np.sqrt(np.maximum(squared, 0))
