"""The largest problem of a dataflow that a design can run.

The largest bounds are those of every loop alone: memories may have fewer words than all of them
together need.
"""

from __future__ import annotations

from collections.abc import Mapping

from accelgen.errors import InputError
from accelgen.processor.design import Problem, ProcessorModel

__all__ = ["halved", "largest_problem", "problem_at_largest"]


def problem_at_largest(model: ProcessorModel, number: int) -> Problem | None:
    """The problem of a dataflow at its largest bounds; ``None`` when the memories are too small."""
    flow = model.flows[number]
    for plan in flow.fabric.plans:
        layout = plan.banked.layout
        if layout.words is not None and layout.depth > layout.words:
            return None
    return model.problem(number, flow.description.workload.bounds)


def largest_problem(model: ProcessorModel, number: int) -> tuple[Problem, dict[str, int]]:
    """A problem of a dataflow of which no loop can be any longer, with its bounds.

    Where they fit, these are the largest.  Raises :class:`InputError` when nothing fits.
    """
    largest = model.flows[number].description.workload.bounds
    bounds, problem = dict(largest), problem_at_largest(model, number)
    while problem is None:
        if max(bounds.values()) == 1:
            problem = model.problem(number, bounds)  # says why not
        else:
            bounds, problem = halved(model, number, bounds)
    for loop, most in largest.items():
        while bounds[loop] < most:
            middle = (bounds[loop] + most + 1) // 2
            longer = _problem(model, number, bounds | {loop: middle})
            if longer is None:
                most = middle - 1
            else:
                bounds, problem = bounds | {loop: middle}, longer
    return problem, bounds


def halved(
    model: ProcessorModel, number: int, bounds: Mapping[str, int]
) -> tuple[dict[str, int], Problem | None]:
    """The same with one loop halved: of those that can run then, with which most units are at work.

    When none can (``None``) the longest loop is.  Some bound has to be more than 1.
    """
    smaller = [{**bounds, loop: -(-n // 2)} for loop, n in bounds.items() if n > 1]
    runnable = [(one, p) for one in smaller if (p := _problem(model, number, one)) is not None]
    if runnable:
        return max(runnable, key=lambda pair: pair[1].cycles.utilisation)
    return min(smaller, key=lambda one: sum(one.values())), None


def _problem(model: ProcessorModel, number: int, bounds: Mapping[str, int]) -> Problem | None:
    try:
        return model.problem(number, bounds)
    except InputError:
        return None  # bounds at which the dataflow is not legal, or beyond the memories
