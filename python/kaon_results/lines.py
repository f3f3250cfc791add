"""The lines of a sweep, with their run folders."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from kaon_data import DataError

_KEY = "run.directory="


@dataclass(frozen=True)
class Line:
    """One line, as printed by `scripts/sweep-lines.sh`."""

    #: File and line number, for messages.
    place: str
    #: The value of `run.directory`.
    folder: str

    @property
    def has_begun(self):
        return (Path(self.folder) / "config.yaml").exists()


def read_lines(path):
    """Reads the lines of a file; empty lines are skipped but numbered."""
    try:
        texts = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    found = [_line(f"line {number} of {path}", text) for number, text in enumerate(texts, 1) if text.strip()]
    if not found:
        raise DataError(f"{path} has no lines")
    return found


def _line(place, text):
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise DataError(f"{place} has an unmatched quote") from error
    folders = [word.removeprefix(_KEY) for word in words if word.startswith(_KEY)]
    if not folders:
        raise DataError(f"{place} has no {_KEY}… with the folder of its run")
    if "{" in folders[-1]:
        raise DataError(
            f"{place}: {folders[-1]} has words in braces, which only kaon replaces; --lines needs the folder")
    return Line(place, folders[-1])
