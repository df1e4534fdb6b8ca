"""The best mapping of a loop nest on an array under memories, with its proof."""

from accelgen.mapper.bounds import Objective
from accelgen.mapper.cost import Cost, cost
from accelgen.mapper.counts import moved
from accelgen.mapper.mapping import Mapping
from accelgen.mapper.problem import Operand, Problem, problem_of
from accelgen.mapper.search import Certificate, Optimum, best_mapping
from accelgen.mapper.trace import trace

__all__ = [
    "Certificate",
    "Cost",
    "Mapping",
    "Objective",
    "Operand",
    "Optimum",
    "Problem",
    "best_mapping",
    "cost",
    "moved",
    "problem_of",
    "trace",
]
