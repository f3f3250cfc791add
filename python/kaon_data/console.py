"""Common behaviour of the commands: version, whole numbers, terminals without Unicode, closed pipes."""

import argparse
import codecs
import os
import sys
from importlib.metadata import PackageNotFoundError, version

_ASCII = {"±": "+/-", "–": "-", "…": "...", "Δ": "D", "η": "eta", "φ": "phi", "−": "-", "×": "x"}


def _spelled(error):
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_ASCII.get(each, "?") for each in error.object[error.start:error.end]), error.end


codecs.register_error("kaon_ascii", _spelled)


def program_version():
    """The version of the installed package; None if it is not installed."""
    try:
        return version("kaon-python")
    except PackageNotFoundError:
        return None


def add_version(parser):
    parser.add_argument("--version", action="version", version=f"%(prog)s {program_version() or 'unknown'}")


def whole_number(text, least=1):
    """The value of an argument that is a whole number of at least `least`."""
    if not (text.isascii() and text.isdecimal()) or int(text) < least:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least {least}")
    return int(text)


def run_command(body, arguments):
    """Runs a command and returns its exit code; a closed pipe ends it silently with 141, as SIGPIPE would.

    Characters that the terminal cannot show are spelled in ASCII.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="kaon_ascii")
    try:
        try:
            return body(arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes the standard output again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
