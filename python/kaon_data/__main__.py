"""`python -m kaon_data convert-jetclass …`, for use when the commands are not in PATH."""

import sys

from . import cli
from .console import program_version

_COMMANDS = {
    "convert-jetclass": cli.convert_jetclass, "convert-btag": cli.convert_btag, "convert-table": cli.convert_table}


def main():
    usage = f"usage: python -m kaon_data {{{','.join(_COMMANDS)}}} ..."
    if sys.argv[1:2] in (["--help"], ["-h"]):
        print(usage)
        return 0
    if sys.argv[1:2] == ["--version"]:
        print(f"kaon_data {program_version() or 'unknown'}")
        return 0
    if len(sys.argv) < 2 or sys.argv[1] not in _COMMANDS:
        print(usage, file=sys.stderr)
        return 2
    return _COMMANDS[sys.argv[1]](sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
