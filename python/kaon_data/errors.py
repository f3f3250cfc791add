"""The error type for messages to users."""


class DataError(Exception):
    """A problem that the user can fix; the message is one sentence that names the file and a remedy."""
