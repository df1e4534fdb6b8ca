"""The best mapping of a loop nest on an array under memories, with its proof."""

from accelgen.mapper.cost import Cost, Moves, cost, moves
from accelgen.mapper.mapping import Mapping
from accelgen.mapper.problem import Operand, Problem, problem_of
from accelgen.mapper.search import Certificate, Objective, Optimum, best_mapping
from accelgen.mapper.space import Constraints
from accelgen.mapper.trace import trace

__all__ = [
    "Certificate",
    "Constraints",
    "Cost",
    "Mapping",
    "Moves",
    "Objective",
    "Operand",
    "Optimum",
    "Problem",
    "best_mapping",
    "cost",
    "moves",
    "problem_of",
    "trace",
]
