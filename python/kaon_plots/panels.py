"""The quantities of jets and constituents that figures show: names, units, axes, and how to get them from jets."""

from dataclasses import dataclass, replace

import awkward as ak
import numpy as np

from kaon_data import IDENTITIES, DataError
from kaon_data.formats import FEATURES
from kaon_results.predictions import ORIGINS

#: Identities with tracks, besides those that begin with `charged`.
_CHARGED = set(IDENTITIES) - {"photon", "neutral hadron"}
_SYMBOLS = dict(zip(IDENTITIES, (
    r"$\gamma$", "$h^-$", r"$h^\mathrm{0}$", "$h^+$", "$e^-$", "$e^+$", r"$\mu^-$", r"$\mu^+$")))
#: Fields of constituents that are not further features.
_KNOWN = {*FEATURES, "eta", "phi", "id", "vtx_id", "track_type"}


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
    #: The names of the identities, in the order of the categories.
    kinds: tuple = ()

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
ETA = Panel("eta", r"constituent $\eta$", scale="symmetric", logarithmic=False)
PHI = Panel("phi", r"constituent $\phi$", "rad", scale="symmetric", logarithmic=False)
IDENTITY = Panel("id", "identity", scale="categories", categories=tuple(_SYMBOLS.values()), kinds=tuple(IDENTITIES))
COUNT = Panel("count", "constituents", kind="jet", scale="integer", logarithmic=False)
JET_PT = Panel("jet_pt", r"jet $p_\mathrm{T}$", "GeV", "jet")
JET_MASS = Panel("jet_mass", "jet mass", "GeV", "jet", logarithmic=False)
ORIGIN = Panel("track_type", "origin of tracks", scale="categories", categories=tuple(ORIGINS))
VERTICES = Panel("vertices", "secondary vertices", kind="jet", scale="integer")


def with_angles(jets):
    """Jets from `kaon_data.read` whose constituents have either Δη and Δφ, or, in events, η and φ: generated events may
    have φ only as its cosine and sine, and Δη and Δφ that are 0, or η and φ."""
    constituents = jets.constituents
    names = set(constituents.fields)
    if "eta" not in names or ("deta" in names and not are_of_events(constituents.deta, constituents.eta)):
        return jets
    columns = {name: constituents[name] for name in constituents.fields if name not in ("deta", "dphi")}
    if "phi" not in names and {"cosphi", "sinphi"} <= names:
        columns["phi"] = np.arctan2(constituents.sinphi, constituents.cosphi)
    return ak.with_field(jets, ak.zip(columns), "constituents")


def are_of_events(deta, eta):
    """True for the Δη of events, which have no axis: 0, or η."""
    return not ak.any((deta != 0) & (deta != eta), axis=None)


def is_of_events(jets):
    """True for events, of which `with_angles` has left no Δη."""
    return "deta" not in jets.constituents.fields


def kinds(jets):
    """The names of the identities of jets, by their numbers."""
    return jets.attrs.get("identities") or IDENTITIES


def of(datasets, panel, calculated=False):
    """A panel for these arrays of jets: with the identities of all of them, the kind of the mass in their files, unless
    it is `calculated` from the constituents, and named after events if they are such."""
    if panel is IDENTITY:
        names = tuple(dict.fromkeys(name for jets in datasets for name in kinds(jets)))
        return replace(panel, kinds=names, categories=tuple(_SYMBOLS.get(name, name) for name in names))
    if panel is JET_MASS and not calculated:
        panel = replace(panel, symbol=_mass(datasets))
    are_events = {is_of_events(jets) for jets in datasets}
    if panel.name not in ("jet_pt", "jet_mass") or True not in are_events:
        return panel
    noun = "event" if are_events == {True} else "jet or event"
    return replace(panel, symbol=panel.symbol.replace("jet", noun))


def _mass(datasets):
    names = {name for jets in datasets for name in (jets.attrs.get("mass") or "mass").split(", ")}
    if "sdmass" not in names:
        return "jet mass"
    return "soft-drop mass" if names == {"sdmass"} else "jet or soft-drop mass"


def further(datasets):
    """Panels of the further features of the constituents of these arrays of jets."""
    found = {}
    for jets in datasets:
        for name in jets.constituents.fields:
            if name not in _KNOWN:
                found.setdefault(name, []).append(ak.to_numpy(ak.flatten(jets.constituents[name])))
    return [Panel(name, name, scale=_scale(np.concatenate(values))) for name, values in found.items()]


def _scale(values):
    """A logarithmic axis for positive values over more than two decades."""
    low, high = np.quantile(values, (0.001, 0.999)) if len(values) else (0, 0)
    return "log" if 0 < low and high > 100 * low else "linear"


def quantity(jets, panel, calculated=False):
    """The values of a quantity of jets from `with_angles` and the number of the jet of each value, or None if the files
    do not contain it. With `calculated`, pT and mass of jets are those of the sum of their constituents. Raises
    `DataError` for values that are not finite."""
    found = _quantity(jets, panel, calculated)
    if found is not None and (bad := int((~np.isfinite(found[0])).sum())):
        raise DataError(f"{panel.name} has {bad} value{'s'[:bad > 1]} that {'are' if bad > 1 else 'is'} not finite")
    return found


def _quantity(jets, panel, calculated):
    constituents = jets.constituents
    if panel.kind == "jet":
        values = _of_jets(jets, panel.name, calculated)
        return None if values is None else (values, np.arange(len(values)))
    if not {panel.name, *(["id"] if panel.kind == "charged" else [])} <= set(constituents.fields):
        return None
    values = ak.to_numpy(ak.flatten(constituents[panel.name]))
    numbers = np.repeat(np.arange(len(constituents)), ak.to_numpy(ak.num(constituents)))
    if panel.kinds:
        # The identities of other files may have other numbers; −1 for a number without a name.
        places = np.full(256, -1)
        places[:len(kinds(jets))] = [panel.kinds.index(name) for name in kinds(jets)]
        values = places[values]
    if panel.kind == "charged":
        tracks = [name in _CHARGED or name.startswith("charged") for name in kinds(jets)]
        charged = np.isin(ak.to_numpy(ak.flatten(constituents.id)), np.flatnonzero(tracks))
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
        found = momenta(constituents)
        return None if found is None else dict(zip(("jet_pt", "jet_mass"), found))[name]
    name = name.removeprefix("jet_")
    return ak.to_numpy(jets[name]) if name in jets.fields else None


def momenta(constituents):
    """pT and mass of jets from massless constituents, in the frame of the jet axis or, for events, of the detector.
    None without angles."""
    names = next((pair for pair in (("deta", "dphi"), ("eta", "phi")) if set(pair) <= set(constituents.fields)), None)
    if names is None:
        return None
    pt, eta, phi = (ak.values_astype(constituents[name], np.float64) for name in ("pt", *names))
    px, py = ak.sum(pt * np.cos(phi), axis=1), ak.sum(pt * np.sin(phi), axis=1)
    pz, energy = ak.sum(pt * np.sinh(eta), axis=1), ak.sum(pt * np.cosh(eta), axis=1)
    transverse = ak.to_numpy(px) ** 2 + ak.to_numpy(py) ** 2
    squared = ak.to_numpy(energy) ** 2 - transverse - ak.to_numpy(pz) ** 2
    return np.sqrt(transverse), np.sqrt(np.maximum(squared, 0))
