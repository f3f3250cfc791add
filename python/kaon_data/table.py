"""Reader for any table of jets: entries of a file and a description to jets."""

from pathlib import Path

import numpy as np

from . import physics
from .checks import Checks
from .columns import read_columns
from .description import Description
from .errors import DataError
from .expressions import Value, columns_of
from .jetclass import leading
from .tables import Ragged, Table


def read(source, start, stop, options):
    """Returns what the other readers return, and which jets are cut.

    The order of evaluation: `valid` selects the constituents among the slots of the sources; `define`, `features`;
    `cuts.constituents`, `cuts.jets`; then everything else, from the remaining constituents. Jets that are cut may have
    any values.
    """
    description = Description.from_text(options.table, options.table_path)
    count = stop - start
    columns = columns_of(
        read_columns(source, description, start, stop), count, Path(source.path).stem, source.path, start)
    if columns.offsets is None:
        raise _no_constituents(description, source)
    stored = int(columns.offsets[-1])
    if description.valid is not None:
        columns.keep(columns.of_constituents(description.valid) != 0)
    padding = stored - int(columns.offsets[-1])
    for name, expression in description.define.items():
        columns[name] = expression(columns)
    for name, expression in description.features.items():
        columns[name] = Value(columns.of_constituents(expression).astype(np.float64), True)
    if description.constituent_cuts:
        columns.keep(np.logical_and.reduce(
            [columns.of_constituents(each) != 0 for each in description.constituent_cuts]))
    cut = np.zeros(count, bool)
    for expression in description.jet_cuts:
        cut |= ~(columns.of_jets(expression) != 0)
    if cut.any():
        columns.keep(~cut[columns.owner])

    checks = Checks(source.path, start, count, options.skip_bad)
    owner = columns.owner

    def of_constituents(name, expression):
        values = np.asarray(columns.of_constituents(expression), np.float64)
        checks.finite(name, Ragged(columns.offsets, {name: values}))
        return values

    def of_jets(name, expression):
        values = np.where(cut, 0, columns.of_jets(expression)).astype(np.float64)
        checks.finite(name, values)
        return values

    csts = np.stack([np.asarray(columns[name].array, np.float32) for name in description.feature_names], axis=1)
    checks.finite_columns([f"features.{name}" for name in description.feature_names], columns.offsets, csts)
    checks.require("features.pt", csts[:, 0] > 0, "has a constituent whose pT is not positive", owner)
    identity = _identities(description, of_constituents, checks, owner)
    conditions = np.stack(
        [np.where(cut, number == 0, columns.of_jets(each) != 0)
         for number, each in enumerate(description.class_conditions)], axis=1)
    checks.require("classes", conditions.sum(axis=1) == 1, "is of no class, or of more than one")
    labels = {
        name: _integers(of_constituents(f"constituent_labels.{name}", expression))
        for name, expression in description.constituent_labels.items()
    }
    spectators = {
        name: of_jets(f"spectators.{name}", expression).astype(np.float32)
        for name, expression in description.spectators.items()
    }
    jets = _jets(description, columns, csts, of_jets, checks)
    constituents = leading(
        Ragged(columns.offsets, {"csts": csts, "csts_id": identity, **labels}), description.max_constituents)
    kept = constituents.counts
    return Table(
        {
            "labels": conditions.argmax(axis=1).astype(description.form.jets["labels"].packed),
            "jets": np.stack([*jets, kept], axis=1).astype(np.float32), **spectators,
        },
        constituents,
        Ragged(np.zeros(count + 1, np.int64)),
    ), checks.bad & ~cut, columns.counts, padding, cut


def _identities(description, of_constituents, checks, owner):
    if description.identity_names is None:
        values = of_constituents("identity", description.identities[0])
        right = (values == np.floor(values)) & (values >= 0) & (values < len(description.kinds))
        checks.require("identity", right, f"has a constituent whose identity is not 0 … {len(description.kinds) - 1}",
            owner)
        return np.where(right, values, 0).astype(np.uint8)
    conditions = np.stack(
        [of_constituents("identity", each) != 0 for each in description.identities], axis=1)
    checks.require(
        "identity", conditions.sum(axis=1) == 1, "has a constituent of no identity, or of more than one", owner)
    return np.array(description.identity_names, np.uint8)[conditions.argmax(axis=1)]


def _jets(description, columns, csts, of_jets, checks):
    """pt, eta, phi and mass of the jets; pT and mass that are not given are those of the constituents as massless
    particles, and η and φ that are not given are 0."""
    pt, mass = physics.jet_observables(columns.offsets, *csts[:, :3].T.astype(np.float64))
    zeros = np.zeros(columns.jets)
    jets = {"pt": pt, "eta": zeros, "phi": zeros, "mass": mass}
    jets |= {name: of_jets(f"jets.{name}", each) for name, each in description.jets.items()}
    for name, values in jets.items():
        checks.finite(f"jets.{name}", values)
    return list(jets.values())


def _integers(values):
    return np.clip(np.round(values), -2**31, 2**31 - 1).astype(np.int32)


def _no_constituents(description, source):
    names = list(description.branches)
    return DataError(
        f"{source.path}: {', '.join(names)} {'has' if len(names) == 1 else 'have'} one value per entry: the features "
        "need branches with a value for each constituent")
