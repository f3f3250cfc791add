"""The error type for messages to users."""


class DataError(Exception):
    """A problem that the user can fix; the message is one sentence, on one line, that names the file and a remedy."""

    def __init__(self, message):
        # Messages of libraries have several lines.
        super().__init__(" ".join(str(message).splitlines()))
