"""The plan of a conversion, fixed before it starts: pieces of sources, positions of jets, output files."""

import json
from dataclasses import asdict, dataclass, field

import numpy as np

from .description import Description
from .errors import DataError
from .formats import FORMATS
from .permutation import Permutation

VERSION = 1
"""Version of the output; an unfinished conversion of another version is not continued."""


@dataclass(frozen=True)
class Options:
    """The options that, together with the sources, determine the result of a conversion."""

    format: str
    layout: str = "packed"
    max_constituents: int = 128
    jets_per_file: int = 100_000
    seed: int = 0
    mix: bool = True
    split: tuple = (("jets", 1.0),)
    as_published: bool = False
    skip_bad: bool = False
    compression: str = "deflate"
    # The largest fraction of jets that are skipped. It decides only whether there is a result.
    max_skipped: float = 0.1
    # The description of `convert-table` as JSON, and the path that it was read from.
    table: str = ""
    table_path: str = ""

    @property
    def form(self):
        """The datasets of the output."""
        return Description.from_text(self.table).form if self.table else FORMATS[self.format]

    def spelled(self, name):
        """An option as written on the command line."""
        value = getattr(self, name)
        if name == "format":
            return "convert-" + value
        if name == "split":
            return "--split " + format_split(value)
        if name == "mix":
            return "mixing" if value else "--no-mix"
        if isinstance(value, bool):
            flag = "--" + name.replace("_", "-")
            return flag if value else "no " + flag
        return f"--{name.replace('_', '-')} {value}"


@dataclass(frozen=True)
class Piece:
    """Entries start ..< stop of a source. The first entry is jet number `first` of all sources."""

    number: int
    source: int
    start: int
    stop: int
    first: int


@dataclass(frozen=True)
class Output:
    """An output file, written from a range of buckets."""

    name: str
    split: str
    buckets: range


@dataclass
class Plan:
    """The pieces, buckets and files determined by sources and options.

    The jets of the sources are numbered, and the permutation assigns each number a position. Splits, files and buckets
    are ranges of positions. The position of a jet thus depends only on the sources, their order by name, and the seed.
    """

    options: Options
    sources: list
    #: By default as many as `jets_at_once` of 50,000.
    piece_jets: int = None
    bucket_jets: int = None
    pieces: list = field(init=False)
    outputs: list = field(init=False)
    total: int = field(init=False)

    def __post_init__(self):
        size = jets_at_once(50_000, self.options.max_constituents)
        self.piece_jets, self.bucket_jets = self.piece_jets or size, self.bucket_jets or size
        self.total = sum(source.entries for source in self.sources)
        if self.total == 0:
            raise DataError("the sources contain no jets: give other sources")
        self.pieces = []
        first = 0
        for number, source in enumerate(self.sources):
            for start in range(0, source.entries, self.piece_jets):
                stop = min(start + self.piece_jets, source.entries)
                self.pieces.append(Piece(len(self.pieces), number, start, stop, first + start))
            first += source.entries
        self._place_outputs()

    def _place_outputs(self):
        options, starts = self.options, []
        self.outputs = []
        ends = split_ends(options.split, self.total)
        for (split, _), begin, end in zip(options.split, [0, *ends[:-1]], ends):
            if begin == end:
                raise DataError(
                    f"the split '{split}' would get none of the {self.total} jets: give it a larger fraction"
                )
            files = -(-(end - begin) // options.jets_per_file)
            digits = max(3, len(str(files - 1)))
            for number in range(files):
                low = begin + number * options.jets_per_file
                high = min(low + options.jets_per_file, end)
                buckets = list(range(low, high, self.bucket_jets))
                self.outputs.append(
                    Output(f"{split}_{number:0{digits}d}.h5", split, range(len(starts), len(starts) + len(buckets)))
                )
                starts += buckets
        self._starts = np.array(starts)

    @property
    def form(self):
        return self.options.form

    @property
    def _not_recorded(self):
        """Options that do not change the result; records of other commands have no configuration."""
        return {"max_skipped", "table_path"} | (set() if self.options.table else {"table"})

    @property
    def bucket_count(self):
        return len(self._starts)

    def positions(self, piece):
        """The position of each jet of a piece, and its bucket."""
        numbers = np.arange(piece.first, piece.first + piece.stop - piece.start)
        if self.options.mix:
            numbers = Permutation(self.total, self.options.seed)(numbers)
        return numbers, np.searchsorted(self._starts, numbers, side="right") - 1

    def record(self):
        """Everything that must agree for a conversion to be continued, in JSON types."""
        record = {
            "version": VERSION,
            "options": {name: value for name, value in asdict(self.options).items() if name not in self._not_recorded},
            "sources": [source.identity for source in self.sources],
            "piece_jets": self.piece_jets,
            "bucket_jets": self.bucket_jets,
        }
        return json.loads(json.dumps(record))


def jets_at_once(jets, max_constituents):
    """A number of jets, or if they may have more than 128 constituents, so many with as many constituents in all; at
    least 1000."""
    return jets if max_constituents <= 128 else max(1000, jets * 128 // max_constituents)


def split_ends(split, total):
    """The end of each split, if the splits are consecutive ranges of 0 ..< total."""
    parts = np.cumsum([part for _, part in split])
    ends = [int(round(total * part)) for part in parts / parts[-1]]
    return ends


def parse_split(text):
    """Parses `train=0.8,val=0.1,test=0.1`, or a single name."""
    split = []
    for item in text.split(","):
        name, equals, part = item.partition("=")
        try:
            fraction = float(part) if equals else 1.0
        except ValueError:
            fraction = -1.0
        if not name or not all(c.isalnum() or c in "-_." for c in name) or not 0 < fraction <= 1:
            raise DataError(f"--split {text} is invalid: write it like train=0.8,val=0.1,test=0.1")
        split.append((name, fraction))
    if len({name for name, _ in split}) < len(split):
        raise DataError(f"--split {text} contains a name twice: give each part its own name")
    if abs(sum(part for _, part in split) - 1) > 1e-6:
        raise DataError(f"--split {text} does not add up to 1: write it like train=0.8,val=0.1,test=0.1")
    return tuple(split)


def format_split(split):
    return ",".join(name if len(split) == 1 else f"{name}={part:g}" for name, part in split)


def difference(old, new, options):
    """The difference between two records as part of a sentence; None if they agree."""
    if old.get("version") != new["version"]:
        return "was made by another version of kaon_data"
    for name, value in new["options"].items():
        before = old["options"].get(name)
        if before != value:
            spelled = Options(**{**old["options"], "split": tuple(map(tuple, old["options"]["split"]))})
            if name == "table":
                return "was made with another configuration"
            return f"was made with {spelled.spelled(name)}, not with {options.spelled(name)}"
    before = {source["name"]: source for source in old["sources"]}
    after = {source["name"]: source for source in new["sources"]}
    if gone := sorted(set(before) - set(after)):
        return f"was made from {len(before)} sources including {gone[0]}, which is not given now"
    if fresh := sorted(set(after) - set(before)):
        return f"was made without the source {fresh[0]}"
    for name, source in after.items():
        if source != before[name]:
            return f"was made with a different file {name} ({before[name]['entries']} entries, " \
                f"{before[name]['size']} bytes; now {source['entries']}, {source['size']})"
    if old != new:
        return "was made with other piece sizes"
    return None
