"""Resumable conversion: two passes over all jets, by several processes.

Pass one reads the sources piece by piece and sorts their jets into buckets; pass two gathers the buckets of each output
file, sorts their jets, and writes the file. Until the conversion is complete, the plan, the pieces and the files are in
the subfolder `.conversion` of the output; each gets its final name only when it is complete.
"""

import errno
import fcntl
import json
import os
import shutil
import sys
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from . import btag, buckets, jetclass, table
from .columns import look_at_table, suffixes
from .console import program_version
from .description import Description
from .errors import DataError
from .layouts import LayoutWriter, synchronize
from .plan import Plan, difference, format_split, jets_at_once
from .progress import Progress
from .sources import find_sources, look_at
from .tables import Table
from .workers import Workers

_READERS = {"jetclass": jetclass, "btag": btag, "table": table}
_WORK = ".conversion"
_RECORD = "conversion.json"
# Number of jets of up to 128 constituents that are computed at once. With the size of pieces and buckets it determines
# the memory of a worker.
_STEP = 10_000


def convert(sources, output, options, workers=1, out=None, **sizes):
    """Converts files, or continues an interrupted conversion; returns the contents of `conversion.json`.

    `sizes` overrides the sizes in `Plan`, for tests. Raises `DataError`.
    """
    out = out or sys.stderr
    output = Path(output)
    description = Description.from_text(options.table, options.table_path) if options.table else None
    found = find_sources(sources, suffixes(description)) if description else find_sources(sources)
    try:
        output.mkdir(parents=True, exist_ok=True)
        with _locked(output), Workers(workers) as pool:
            look, what = (look_at_table, description) if description else (look_at, _READERS[options.format].BRANCHES)
            looked = pool.run(look, [(name, path, what) for name, path in found], keeps_order=True)
            plan = Plan(options, list(looked), **sizes)
            return _Conversion(plan, output, pool, out).run()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DataError(
                f"no space left in {output}: free some, then repeat the command to continue the conversion"
            ) from error
        raise DataError(
            f"{error.filename or output}: {error.strerror or error}: fix this, then repeat the command to continue "
            "the conversion"
        ) from error
    except BrokenProcessPool as error:
        raise DataError(
            "a worker was killed, perhaps because memory ran out: repeat the command with fewer --workers to continue "
            "the conversion"
        ) from error


class _Conversion:
    def __init__(self, plan, output, pool, out):
        self.plan = plan
        self.output = output
        self.work = output / _WORK
        self.pool = pool
        self.out = out

    def run(self):
        if (self.output / _RECORD).exists():
            return self._finished()
        self._begin()
        self._scatter()
        self._write()
        return self._publish()

    def _finished(self):
        path = self.output / _RECORD
        record = _load(path)
        differs = difference(record["plan"], self.plan.record(), self.plan.options)
        if differs:
            raise DataError(f"the conversion in {self.output} {differs}: choose another --output, or remove it")
        for name in record["files"]:
            if not (self.output / name).exists():
                raise DataError(
                    f"{self.output / name} is missing, but listed in {path}: restore it, or remove "
                    f"{self.output} to convert again"
                )
        if self.work.exists():
            shutil.rmtree(self.work)
        print(f"{self.output} is complete: {_extent(record)}; nothing to do", file=self.out)
        return record

    def _begin(self):
        record = self.plan.record()
        path = self.work / "plan.json"
        if path.exists():
            differs = difference(_load(path), record, self.plan.options)
            # Without a finished piece there is nothing to continue, as after an error in the first one.
            if differs and any(
                    each != path and not each.name.endswith(".unfinished") for each in self.work.iterdir()):
                raise DataError(
                    f"the unfinished conversion in {self.output} {differs}: choose another --output, or remove "
                    f"{self.work} to start over"
                )
            for left in self.work.glob("*.unfinished"):
                left.unlink()
            if not differs:
                return
        for output in self.plan.outputs:
            if (self.output / output.name).exists():
                raise DataError(
                    f"{self.output / output.name} exists and is not part of this conversion: choose another --output"
                )
        self.work.mkdir(exist_ok=True)
        _save(path, record)

    def _scatter(self):
        todo = [piece for piece in self.plan.pieces if not self._piece(piece).exists()]
        done = self.plan.total - sum(piece.stop - piece.start for piece in todo)
        if done and todo:
            print(f"continuing: {done:,} of {self.plan.total:,} jets already read", file=self.out)
        self._pass("read", self.plan.total, done, _scatter_piece,
                   [(self.plan, piece, self._piece(piece)) for piece in todo])

    def _write(self):
        paths = [self._piece(piece) for piece in self.plan.pieces]
        self.sizes = buckets.sizes(paths)
        tallies = [buckets.tallies(path) for path in paths]
        self.tallies = {
            name: (max if name == "max_vertices" else sum)(tally[name] for tally in tallies)
            for name in buckets.TALLIES
        }
        self._check_skipped()
        jets = {output: int(self.sizes[output.buckets, 0].sum()) for output in self.plan.outputs}
        if self.tallies["cut"] == self.plan.total:
            raise DataError(f"no jets are left: all {self.plan.total:,} are cut by cuts.jets; correct the cuts")
        for output, count in jets.items():
            if count == 0:
                raise DataError(
                    f"all jets of {output.name} were skipped or cut: check the sources, or give larger files with "
                    "--jets-per-file")
        todo = [
            output for output in self.plan.outputs
            if not (self.work / output.name).exists() and not (self.output / output.name).exists()
        ]
        done = sum(jets.values()) - sum(jets[output] for output in todo)
        if done and todo:
            print(f"continuing: {done:,} of {sum(jets.values()):,} jets already written", file=self.out)
        self._pass("wrote", sum(jets.values()), done, _write_output, [
            (self.plan, output, paths, self.sizes[output.buckets].sum(axis=0)[:2].tolist(),
             self.tallies["max_vertices"], self.work / output.name)
            for output in todo
        ])

    def _check_skipped(self):
        skipped, empty = self.tallies["skipped"], self.tallies["empty"]
        limit = self.plan.options.max_skipped
        if skipped + empty > limit * self.plan.total:
            raise DataError(
                f"{skipped + empty:,} of {self.plan.total:,} jets would be skipped ({skipped:,} with unusable values, "
                f"{empty:,} without constituents), more than the fraction {limit:g}: see what is wrong without "
                "--skip-bad, or allow more with --max-skipped"
            )

    def _publish(self):
        files, counts = {}, {}
        for output in self.plan.outputs:
            if (self.work / output.name).exists():
                os.replace(self.work / output.name, self.output / output.name)
            with h5py.File(self.output / output.name) as file:
                found = file["labels"].attrs["counts"]
            jets, constituents = self.sizes[output.buckets].sum(axis=0)[:2].tolist()
            files[output.name] = {"jets": jets, "constituents": constituents}
            counts[output.split] = counts.get(output.split, 0) + found
        synchronize(self.output)
        names = self.plan.form.classes
        record = {
            "created_by": creator(),
            "command": f"convert-{self.plan.options.format}",
            "counts": {
                split: dict(zip(names, (int(n) for n in found))) for split, found in counts.items()
            },
            "left_out": {name: self.tallies[name] for name in ("skipped", "empty", "cut")},
            "shortened": self.tallies["shortened"],
            "padding": self.tallies["padding"],
            "files": files,
            "plan": self.plan.record(),
        }
        _save(self.output / _RECORD, record)
        shutil.rmtree(self.work)
        print(summary(record), file=self.out)
        return record

    def _pass(self, verb, total, done, function, arguments):
        if not arguments:
            return
        progress = Progress(verb, total, done, self.out)
        try:
            for jets in self.pool.run(function, arguments):
                progress.advance(jets)
        except BaseException:
            progress.interrupt()
            raise
        progress.finish()

    def _piece(self, piece):
        return self.work / f"piece-{piece.number:06d}"


def _scatter_piece(plan, piece, path):
    """Pass one for one piece; returns the number of its jets."""
    options = plan.options
    read, parts = _READERS[options.format].read, []
    step = jets_at_once(_STEP, options.max_constituents)
    for start in range(piece.start, piece.stop, step):
        stop = min(start + step, piece.stop)
        # Invalid values are detected by the checks, not by warnings of numpy.
        with np.errstate(invalid="ignore", over="ignore"):
            parts.append(read(plan.sources[piece.source], start, stop, options))
    tables, bad, counts, padding, *cut = zip(*parts)
    table, bad, counts = Table.concatenate(tables), np.concatenate(bad), np.concatenate(counts)
    cut = np.concatenate(cut[0]) if cut else np.zeros(len(bad), bool)
    positions, bucket_of_jet = plan.positions(piece)
    empty = (counts == 0) & ~bad & ~cut
    if empty.any() and not options.skip_bad:
        entries = piece.start + np.flatnonzero(empty)
        first = ", ".join(map(str, entries[:3])) + (", …" if len(entries) > 3 else "")
        raise DataError(
            f"{plan.sources[piece.source].path}: {len(entries):,} of the entries {piece.start}..<{piece.stop} have no "
            f"constituents ({first}): correct the file, or skip such jets with --skip-bad"
        )
    keep = np.flatnonzero(~bad & ~empty & ~cut)
    tallies = {
        "skipped": int(bad.sum()),
        "empty": int(empty.sum()),
        "cut": int(cut.sum()),
        "shortened": int((counts[keep] > options.max_constituents).sum()),
        "padding": sum(padding),
        "max_vertices": int(table.vertices.counts[keep].max(initial=0)),
    }
    with _whole(path) as unfinished:
        buckets.write(
            unfinished, table.take(keep), positions[keep], bucket_of_jet[keep], plan.bucket_count, tallies, plan.form
        )
    return piece.stop - piece.start


def _write_output(plan, output, paths, size, max_vertices, path):
    """Pass two for one file; returns the number of its jets."""
    options = plan.options
    with _whole(path) as unfinished:
        writer = LayoutWriter(
            unfinished, plan.form, options.layout, *size, options.max_constituents, max_vertices,
            options.compression, provenance(plan, output),
        )
        for bucket in output.buckets:
            table = buckets.gather(paths, bucket, plan.form)
            if table is not None:
                writer.append(table)
        writer.close()
    return size[0]


def provenance(plan, output):
    """Root attributes that describe the origin of a file; independent of time and machine."""
    options = plan.options
    settings = {
        "max_constituents": options.max_constituents, "seed": options.seed, "mix": options.mix,
        "split": format_split(options.split), "skip_bad": options.skip_bad,
    }
    attributes = {
        "created_by": f"{creator()} convert-{options.format}",
        # One string, because an array attribute has no room for thousands of names.
        "sources": "\n".join(source.name for source in plan.sources),
        "options": json.dumps(settings),
        "split": output.split,
    }
    if options.table:
        attributes["configuration"] = options.table
    if options.format == "jetclass":
        attributes["deta"] = "part_deta as stored: multiplied by the sign of the jet's eta"
        attributes["impact_parameter_signs"] = (
            "lifetime, with deta as stored (as published)" if options.as_published else
            "lifetime, with the true deta"
        )
    return attributes


def creator():
    number = program_version()
    return f"kaon_data {number}" if number else "kaon_data"


def summary(record):
    """Table of the jets per class, and the numbers of skipped and truncated jets."""
    counts = record["counts"]
    classes = list(next(iter(counts.values())))
    columns = [["class", *classes, "total"]]
    for split, found in counts.items():
        columns.append([split, *(f"{found[name]:,}" for name in classes), f"{sum(found.values()):,}"])
    widths = [max(map(len, column)) for column in columns]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))])
        for row in zip(*columns)
    ]
    notes = [
        (record["left_out"]["skipped"], "jets with unusable values were skipped"),
        (record["left_out"]["empty"], "jets without constituents were skipped"),
        (record["left_out"].get("cut", 0), "jets were cut"),
        (record.get("padding", 0), "slots that are not valid were left out" if record["command"] == "convert-table"
         else "constituents of zeros only, the padding of arrays, were removed"),
        (record["shortened"], "jets had too many constituents and lost the softest ones"),
    ]
    lines += [f"{number:,} {text}" for number, text in notes if number]
    return "\n".join([*lines, f"complete: {_extent(record)}"])


def _extent(record):
    files = record["files"].values()
    jets, constituents = (sum(file[key] for file in files) for key in ("jets", "constituents"))
    return f"{jets:,} jets with {constituents:,} constituents in {len(files)} file{'s'[:len(files) > 1]}"


@contextmanager
def _whole(path):
    """Yields a temporary path, which is renamed to `path` after everything has been written."""
    unfinished = Path(f"{path}.{os.getpid()}.unfinished")
    try:
        yield unfinished
        os.replace(unfinished, path)
        synchronize(path.parent)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _locked(output):
    """Locks the output folder against other conversions; the lock is released whenever the process ends."""
    handle = os.open(output, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(
                f"another conversion is writing to {output}: wait for it, or choose another --output"
            ) from None
        except OSError:
            pass  # File systems without locks: safe if there is only one conversion.
        yield
    finally:
        os.close(handle)


def _load(path):
    try:
        return json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise DataError(f"{path} cannot be read ({error}): remove it, or choose another --output") from error


def _save(path, record):
    with _whole(path) as unfinished:
        with open(unfinished, "w") as file:
            json.dump(record, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
