"""The lines of a sweep, each with the folder of its run."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from kaon_data import DataError

_KEY = "run.directory="


@dataclass(frozen=True)
class Line:
    """One line, as `scripts/sweep-lines.sh` prints it."""

    #: Where it stands, for people.
    place: str
    #: What it says of `run.directory`.
    folder: str

    @property
    def has_begun(self):
        return (Path(self.folder) / "config.yaml").exists()


def read_lines(path):
    """The lines of a file; empty ones count for their numbers alone."""
    try:
        texts = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    found = [_line(f"line {number} of {path}", text) for number, text in enumerate(texts, 1) if text.strip()]
    if not found:
        raise DataError(f"{path} has no line")
    return found


def _line(place, text):
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise DataError(f"{place} has a quote without its other half") from error
    folders = [word.removeprefix(_KEY) for word in words if word.startswith(_KEY)]
    if not folders:
        raise DataError(f"{place} has no {_KEY}…, which names the folder of its run")
    if "{" in folders[-1]:
        raise DataError(f"{place}: {folders[-1]} has words in braces, which kaon alone puts in; --lines needs the folder")
    return Line(place, folders[-1])
