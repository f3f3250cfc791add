"""Predicts the time of training steps on many nodes from measurements of one node, with LogGP formulas."""

from .figures import NodeFigures, read_figures
from .network import Network
from .prediction import Job, StepTime, predict

__all__ = ["Job", "Network", "NodeFigures", "StepTime", "predict", "read_figures"]
