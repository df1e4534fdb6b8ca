"""What a layer has a kernel do: products, and accesses of memories."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from accelgen.realize.accesses import Traffic, traffic_of
from accelgen.realize.program import Step

__all__ = ["Work", "work_of"]


@dataclass(frozen=True)
class Work:
    """``products`` of words or blocks within the loop nest, in ``steps`` of the whole array;
    traffic of the inputs, as fabrics have them, and of the output, in whose memories results may be
    added up (``accumulates``).
    """

    products: int
    steps: int
    inputs: tuple[Traffic, ...]
    output: Traffic
    accumulates: bool


def work_of(step: Step) -> Work:
    """Of a layer on a design."""
    fabric = step.problem.fabric
    return Work(
        prod(fabric.kernel.bounds),
        prod(fabric.domain.extents),
        tuple(traffic_of(plan.banked) for plan in fabric.inputs),
        traffic_of(fabric.output.banked),
        fabric.output.accumulate,
    )
