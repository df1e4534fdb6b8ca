"""Sweeps of design spaces: points, their evaluation anywhere, a journal, the Pareto front."""

from accelgen.sweep.axes import Axis
from accelgen.sweep.evaluate import evaluate
from accelgen.sweep.executors import BugError
from accelgen.sweep.front import explain, non_dominated, pareto_front
from accelgen.sweep.load import list_sweeps, load_sweep, parse_sweep
from accelgen.sweep.metrics import METRICS, Constraint
from accelgen.sweep.results import Results
from accelgen.sweep.run import Outcome, run
from accelgen.sweep.sweep import Point, Sweep

__all__ = [
    "METRICS",
    "Axis",
    "BugError",
    "Constraint",
    "Outcome",
    "Point",
    "Results",
    "Sweep",
    "evaluate",
    "explain",
    "list_sweeps",
    "load_sweep",
    "non_dominated",
    "pareto_front",
    "parse_sweep",
    "run",
]
