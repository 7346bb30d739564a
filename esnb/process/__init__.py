"""Process mining: a log as cases, variants and a graph, and what the rules of a class say of it."""

from esnb.process.conformance import Conformance
from esnb.process.process import ARROW, Process, ProcessError

__all__ = ["ARROW", "Conformance", "Process", "ProcessError"]
