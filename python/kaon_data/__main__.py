"""`python -m kaon_data convert-jetclass …`, for use when the commands are not in PATH."""

import sys

from . import cli

_COMMANDS = {"convert-jetclass": cli.convert_jetclass, "convert-btag": cli.convert_btag}


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in _COMMANDS:
        print(f"usage: python -m kaon_data {{{','.join(_COMMANDS)}}} …", file=sys.stderr)
        return 2
    return _COMMANDS[sys.argv[1]](sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
