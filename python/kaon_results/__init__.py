"""Reads run folders of kaon: configuration, training curves, and results of the evaluation."""

from .runs import Run, find_runs

__all__ = ["Run", "find_runs"]
