"""The one kind of error that a user is meant to read."""


class DataError(Exception):
    """A circumstance that the user can mend, in one sentence that names the file and says what to do."""
