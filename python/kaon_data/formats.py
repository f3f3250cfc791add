"""Contents of the data sets: names, types and classes."""

from dataclasses import dataclass, field

FEATURES = ["pt", "deta", "dphi", "d0", "d0err", "dz", "dzerr"]
"""The continuous features of a constituent: pT in GeV, angles, and impact parameters in mm."""

IDENTITIES = [
    "photon", "negative hadron", "neutral hadron", "positive hadron",
    "electron", "positron", "muon", "antimuon",
]
"""The identities of constituents, indexed by `csts_id`."""


@dataclass(frozen=True)
class Column:
    """A dataset: type of the values in the packed and in the padded layout, and shape of one row."""

    packed: str
    padded: str
    shape: tuple = ()
    filler: int = 0
    names: tuple = ()


@dataclass(frozen=True)
class Format:
    """The datasets of one data set: per jet, per constituent and per vertex."""

    name: str
    classes: tuple
    max_constituents: int
    jets: dict
    constituents: dict
    vertices: dict = field(default_factory=dict)


def _format(name, classes, max_constituents, mass, constituents=None, vertices=None):
    return Format(
        name=name,
        classes=classes,
        max_constituents=max_constituents,
        jets={
            "labels": Column("u1", "i8", names=classes),
            "jets": Column("f4", "f4", (5,), names=("pt", "eta", "phi", mass, "num_csts")),
        },
        constituents={
            "csts": Column("f4", "f4", (7,), names=tuple(FEATURES)),
            "csts_id": Column("u1", "i4", names=tuple(IDENTITIES)),
            **(constituents or {}),
        },
        vertices=vertices or {},
    )


JETCLASS = _format(
    "jetclass", ("QCD", "Tbl", "Tbqq", "Wqq", "Zqq", "Hbb", "Hcc", "Hgg", "H4q", "Hqql"), 128, "sdmass"
)

BTAG = _format(
    "btag", ("light", "c", "b"), 15, "mass",
    {"vtx_id": Column("i2", "i8"), "track_type": Column("i1", "i8", filler=-1)},
    {"vtx_pos": Column("f4", "f4", (4,), names=("x", "y", "z", "L3D"))},
)

FORMATS = {form.name: form for form in (JETCLASS, BTAG)}
