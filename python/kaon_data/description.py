"""The description of a data set for `convert-table`: a YAML file with expressions for everything that kaon reads."""

import difflib
import json
import re
from dataclasses import dataclass

import yaml

from .errors import DataError
from .expressions import CONSTANTS, FUNCTIONS, SOURCE, Expression
from .formats import FEATURES, IDENTITIES, Column, Format

FORMATS = {"root": (".root",), "parquet": (".parquet", ".pq"), "hdf5": (".h5", ".hdf5"), "npz": (".npz",),
           "pandas": (".h5", ".hdf5")}
"""Formats of sources, and the endings of their files in folders."""
REQUIRED = ("pt", "deta", "dphi")
EVENT_REQUIRED = ("pt", "eta", "phi")
"""What events have instead, whose angles are not relative to the axis of a jet."""
MOST_IDENTITIES = 64
MOST_CONSTITUENTS = 16_384
JET_QUANTITIES = ("pt", "eta", "phi", "mass")
_SECTIONS = {
    "name": str, "format": str, "tree": str, "max_constituents": int, "branches": dict, "valid": object,
    "define": dict, "cuts": dict, "features": dict, "identities": list, "identity": object, "classes": dict,
    "jets": dict, "spectators": dict, "constituent_labels": dict,
}
#: Datasets of every file, and fields of the jets that `kaon_data.read` returns.
_RESERVED = {"labels", "jets", "csts", "csts_id", "mask", "offsets", "label", "constituents", *JET_QUANTITIES}
_NAME = re.compile(r"[A-Za-z_]\w*")
#: `E_{0..199}`, `particle_features[..., 2]`.
_RANGE = re.compile(r"([^{}\[\]]*)\{(\d+)\.\.(\d+)\}([^{}\[\]]*)")
_COLUMN = re.compile(r"([^{}\[\]]+)\[\.\.\., *(\d+)\]")


@dataclass(frozen=True)
class Branch:
    """Where a name is read: a branch, one column of the last dimension of a branch, or several branches side by side
    as the slots of the constituents."""

    names: tuple
    column: int | None = None
    is_range: bool = False

    @staticmethod
    def parse(text, place):
        if found := _RANGE.fullmatch(text):
            before, first, last, after = found.groups()
            if not int(first) <= int(last) < int(first) + 10_000:
                raise DataError(f"{place}: the range of '{text}' is empty or too long: write it like E_{{0..199}}")
            return Branch(tuple(f"{before}{number}{after}" for number in range(int(first), int(last) + 1)),
                          is_range=True)
        if found := _COLUMN.fullmatch(text):
            return Branch((found[1],), int(found[2]))
        if any(each in text for each in "{}[]"):
            raise DataError(
                f"{place}: '{text}' is not the name of a branch: write NAME, NAME[..., COLUMN] or NAME_{{0..199}}")
        return Branch((text,))


class Description:
    """The checked contents of a YAML file."""

    def __init__(self, settings, path):
        self.path, self.settings = path, settings
        if not isinstance(settings, dict):
            raise DataError(f"{path} contains no sections: see docs/data.md for an example")
        for name, value in settings.items():
            self._check_section(name, value)
        if "features" not in settings:
            raise self._error("features", "is missing: list the features of the constituents")
        self.name = settings.get("name", "table")
        self.format = settings.get("format")
        if self.format is not None and self.format not in FORMATS:
            raise self._error("format", f"is '{self.format}': use {', '.join(FORMATS)}")
        self.tree = settings.get("tree")
        self.max_constituents = settings.get("max_constituents", 128)
        if not 1 <= self.max_constituents <= MOST_CONSTITUENTS:
            raise self._error(
                "max_constituents", f"is {self.max_constituents}: give a number from 1 to {MOST_CONSTITUENTS}")
        self.aliases = {
            self._named(name, "branches"): Branch.parse(str(text), f"{path}: branches.{name}")
            for name, text in settings.get("branches", {}).items()
        }
        self.valid = self._optional("valid")
        self.define = self._expressions("define")
        cuts = settings.get("cuts", {})
        if unknown := set(cuts) - {"jets", "constituents"}:
            raise self._error("cuts", f"has the unknown key {sorted(map(str, unknown))[0]}: use jets or constituents")
        self.jet_cuts, self.constituent_cuts = (self._cuts(cuts, name) for name in ("jets", "constituents"))
        self.features = self._expressions("features")
        if "id" in self.features:
            raise self._error("features", "has the name id, which is that of the identity: choose another one")
        self.feature_names = self._ordered_features()
        self._read_identity()
        self._read_classes()
        self.jets = self._expressions("jets")
        if unknown := set(self.jets) - set(JET_QUANTITIES):
            raise self._error(
                "jets", f"has the unknown key {sorted(unknown)[0]}: use {', '.join(JET_QUANTITIES)}; other numbers are "
                "'spectators'")
        self.spectators = self._expressions("spectators")
        self.constituent_labels = self._expressions("constituent_labels")
        taken = list(self.spectators) + list(self.constituent_labels)
        if clash := [name for name in taken if name in _RESERVED or taken.count(name) > 1]:
            raise self._error("spectators", f"has the name {clash[0]}, which is taken: choose another one")
        self.branches = self._branches()

    @staticmethod
    def read(path):
        """Reads a file. Raises `DataError`."""
        try:
            with open(path, encoding="utf-8") as file:
                settings = yaml.load(file, _StrictLoader)
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror})") from error
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            raise DataError(f"{path} is not valid YAML: {error}") from error
        return Description(settings, str(path))

    @property
    def text(self):
        """Everything that determines the result, as one line of JSON; the order of definitions matters."""
        return json.dumps(self.settings)

    @staticmethod
    def from_text(text, path="the configuration"):
        return Description(json.loads(text), path)

    @property
    def form(self):
        """The datasets of the output."""
        return Format(
            name="table", classes=tuple(self.class_names), max_constituents=self.max_constituents,
            jets={
                "labels": Column("u1" if len(self.class_names) <= 256 else "i4", "i8", names=tuple(self.class_names)),
                "jets": Column("f4", "f4", (5,), names=(*JET_QUANTITIES, "num_csts")),
                **{name: Column("f4", "f4") for name in self.spectators},
            },
            constituents={
                "csts": Column("f4", "f4", (len(self.feature_names),), names=tuple(self.feature_names)),
                "csts_id": Column("u1", "i4", names=tuple(self.kinds)),
                **{name: Column("i4", "i4", filler=-1) for name in self.constituent_labels},
            },
        )

    def _branches(self):
        """The branches that the expressions need, by the name in the expressions: names that no definition or feature
        above them has."""
        known, found = set(), {}
        named = {**self.define, **self.features}
        steps = [(None, self.valid)] if self.valid else []
        steps += [*self.define.items(), *self.features.items()]
        steps += [(None, each) for each in (
            *self.constituent_cuts, *self.jet_cuts, *self.identities, *self.class_conditions, *self.jets.values(),
            *self.spectators.values(), *self.constituent_labels.values())]
        for own, expression in steps:
            for name in expression.names:
                if name in known:
                    continue
                if name in named and name != own and name not in self.aliases:
                    raise expression.error(
                        f"uses {name}, which is defined below it: change the order, or if a branch of this name is "
                        f"meant, give it another one in branches, such as {name}_in_file: {name}")
                found[name] = self.aliases.get(name, Branch((name,)))
            if own is not None:
                known.add(own)
        return found

    def _ordered_features(self):
        """The features in the order of the columns: the known ones come first, as in files with all of them."""
        is_jet = any(name in self.features for name in REQUIRED[1:])
        is_event = not is_jet and any(name in self.features for name in EVENT_REQUIRED[1:])
        required = EVENT_REQUIRED if is_event else REQUIRED
        if missing := [name for name in required if name not in self.features]:
            raise self._error(
                "features", f"lacks {', '.join(missing)}: pt (GeV), deta and dphi are required"
                + (" for jets; pt, eta and phi for events" if is_event else ", or pt, eta and phi for events"))
        known = [*required, *FEATURES[len(REQUIRED):]]
        names = [name for name in known if name in self.features]
        return names + [name for name in self.features if name not in names]

    # Sections

    def _error(self, section, problem):
        return DataError(f"{self.path}: {section} {problem}")

    def _check_section(self, name, value):
        if name not in _SECTIONS:
            near = difflib.get_close_matches(str(name), _SECTIONS, 1)
            advice = f"did you mean {near[0]}?" if near else f"the sections are {', '.join(_SECTIONS)}"
            raise self._error(str(name), f"is an unknown section: {advice}")
        wanted = _SECTIONS[name]
        kind = {dict: "a section", str: "a text", int: "an integer", list: "a list", object: ""}[wanted]
        if wanted is not object and (not isinstance(value, wanted) or isinstance(value, bool)):
            raise self._error(name, f"is {value!r}: give {kind}")

    def _named(self, name, section):
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise self._error(section, f"has the name '{name}': use letters, digits and _")
        if section in ("define", "branches") and name in {*FUNCTIONS, *CONSTANTS, SOURCE}:
            raise self._error(section, f"has the name '{name}', which has a meaning of its own: choose another one")
        return name

    def _expression(self, value, place):
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise DataError(f"{self.path}: {place} is {value!r}: give an expression")
        return Expression(value, f"{self.path}: {place}")

    def _optional(self, section):
        value = self.settings.get(section)
        return None if value is None else self._expression(value, section)

    def _expressions(self, section):
        return {
            self._named(name, section): self._expression(value, f"{section}.{name}")
            for name, value in self.settings.get(section, {}).items()
        }

    def _cuts(self, cuts, name):
        value = cuts.get(name) or []
        return [self._expression(each, f"cuts.{name}") for each in (value if isinstance(value, list) else [value])]

    def _read_identity(self):
        """`identities`: the kinds of constituents; `identity`: their number, or a condition for each identity."""
        self.kinds = self.settings.get("identities", IDENTITIES)
        are_names = all(isinstance(each, str) and each for each in self.kinds)
        if not (1 <= len(self.kinds) <= MOST_IDENTITIES and are_names):
            raise self._error("identities", f"needs 1 to {MOST_IDENTITIES} names")
        if double := [name for name in self.kinds if self.kinds.count(name) > 1]:
            raise self._error("identities", f"has the name {double[0]} twice: use different names")
        value = self.settings.get("identity")
        has_tracks = any(name in self.features for name in FEATURES[3:])
        self.has_identity_conditions = isinstance(value, dict)
        if value is None:
            if "identities" in self.settings:
                raise self._error("identity", "is missing: give a condition for each of the identities")
            if has_tracks:
                raise self._error(
                    "identity", "is missing: impact parameters are those of charged constituents, so that kaon needs "
                    "to know which these are")
            # Nothing depends on it: models use model.identity=false.
            self.identities, self.identity_names = [Expression(IDENTITIES.index("neutral hadron"), "identity")], None
            return
        if not self.has_identity_conditions:
            self.identities, self.identity_names = [self._expression(value, "identity")], None
            return
        if not value:
            raise self._error("identity", "needs a condition for each identity")
        if unknown := [name for name in value if name not in self.kinds]:
            raise self._error(
                "identity", f"has the unknown identity {unknown[0]}: use {', '.join(self.kinds)}"
                + ("" if "identities" in self.settings else ", or list others in the section identities"))
        self.identity_names = [self.kinds.index(name) for name in value]
        self.identities = [self._expression(each, f"identity.{name}") for name, each in value.items()]

    def _read_classes(self):
        """`classes`: a condition for each class; a single class if there are none."""
        classes = self.settings.get("classes", {"jets": "1 == 1"})
        names = [str(name) for name in classes]
        if not names or any(not name for name in names) or len(set(names)) < len(names):
            raise self._error("classes", "needs different names: give NAME: CONDITION for each class")
        self.class_names = names
        self.class_conditions = [self._expression(each, f"classes.{name}") for name, each in classes.items()]


class _StrictLoader(yaml.SafeLoader):
    """Refuses keys that occur twice, of which YAML keeps the last."""

    def flatten_mapping(self, node):
        # Merging adds keys (<<: *a) to a node, which the keys of the node itself may replace: check it only before.
        if not hasattr(node, "is_checked"):
            self._check(node)
            node.is_checked = True
        super().flatten_mapping(node)

    def _check(self, node):
        own = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        keys = [self.construct_object(key, deep=True) for key in own]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key} occurs twice", own[number].start_mark)
