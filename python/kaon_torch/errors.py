"""The error type for files."""


class FormatError(Exception):
    """The file is not one of `kaon export` or of encodings; the message is one sentence."""
