"""The command of scripts/reproduce.sh."""

import os
import shutil
import sys
from pathlib import Path

from kaon_data import DataError
from kaon_data.console import run_command

from .rows import Book
from .scales import ROOT, SCALES
from .schedule import Schedule, plan
from .slurm import submit

_KEYS = {"data": None, "runs": "runs/book", "only": None, "scale": "small", "output": None, "parallel": "2",
         "threads": "1"}
_FLAGS = ("--plan", "--slurm", "--page")


def main(arguments=None):
    return run_command(_main, arguments)


def _main(arguments):
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except DataError as error:
        print(f"reproduce: {error}", file=sys.stderr)
        return 2


def _run(arguments):
    value, flags = dict(_KEYS), set()
    for word in arguments:
        key, equals, text = word.partition("=")
        if word in _FLAGS:
            flags.add(word)
        elif equals and key in value and text:
            value[key] = text
        else:
            raise DataError(f"'{word}' is neither one of {', '.join(_FLAGS)} nor key=value with one of the keys "
                            f"{', '.join(_KEYS)}; see --help")
    if value["data"] is None:
        raise DataError("data=FOLDER is missing: the folder with train.h5, val.h5, test.h5 and the btag files")
    if value["scale"] not in SCALES:
        raise DataError(f"scale={value['scale']} is unknown; scales are {', '.join(SCALES)}")
    if not Path(value["data"]).is_dir():
        raise DataError(f"data={value['data']} is not a folder")
    rows = value["only"].split(",") if value["only"] else None
    book = Book(SCALES[value["scale"]], value["data"], value["runs"], rows)
    parallel, threads = (_positive(key, value[key]) for key in ("parallel", "threads"))
    if "--plan" in flags:
        print(plan(book.ordered(), book.folder))
        return 0
    code = 0
    if "--page" not in flags:
        if "--slurm" in flags:
            submit(book, [word for word in arguments if word != "--slurm"])
            return 0
        kaon = _program()
        code = Schedule(book, kaon, parallel, threads).run()
    # Here, because matplotlib takes a second to import.
    from .page import write_page

    print(write_page(book, Path(value["output"] or book.folder).resolve()))
    return code


def _positive(key, text):
    if not text.isdecimal() or int(text) < 1:
        raise DataError(f"{key}={text} is not a whole number of at least 1")
    return int(text)


def _program():
    kaon = os.environ.get("KAON") or ROOT / ".build/release/kaon"
    if shutil.which(kaon) is None:
        raise DataError(f"{kaon} not found; build it with: swift build -c release --product kaon, or set KAON to its "
                        "path")
    return str(kaon)
