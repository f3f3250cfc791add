"""Runs of kaon read back: what was configured, how training went, what the evaluation measured."""

from .runs import Run, find_runs

__all__ = ["Run", "find_runs"]
