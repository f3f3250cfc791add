"""Converts ROOT files for kaon, and reads the converted files."""

from .convert import convert
from .errors import DataError
from .formats import FEATURES, IDENTITIES
from .plan import Options
from .reader import class_names, files, read

__all__ = ["FEATURES", "IDENTITIES", "DataError", "Options", "class_names", "convert", "files", "read"]
