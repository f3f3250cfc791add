"""A case: a command on an unusual input, and what it should do."""

from typing import NamedTuple


class Case(NamedTuple):
    """`arguments` of kaon, or of a Python tool if they begin with its name."""

    name: str
    arguments: list
    #: A part of the sentence of a refusal, in which case the exit code is not 0; or of a warning.
    text: str = ""
    accepted: bool = True
    #: Part of the short form.
    is_short: bool = False


def accepted(name, arguments, text="", short=False):
    return Case(name, arguments, text, True, short)


def refused(name, arguments, text, short=False):
    return Case(name, arguments, text, False, short)
