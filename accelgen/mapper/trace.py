"""Access counts by brute force: every tile walked, real sets of elements in every level."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from accelgen.mapper.mapping import Mapping
from accelgen.mapper.problem import Operand, Problem

__all__ = ["trace"]

Box = tuple[tuple[int, int], ...]
"""First iteration and extent along every loop."""


def trace(problem: Problem, mapping: Mapping) -> list[dict[str, tuple[int, int]]]:
    """Per level 0, 1, ... below the outermost, and operand: elements (in, out).

    *In* are elements that come from the level above: of inputs, whenever the tile differs from the
    one before; of the output, sums that were there before.  *Out* are sums that leave.
    """
    return [
        {
            operand.name: _moves(operand, list(_walk(problem, mapping, level)))
            for operand in problem.operands
        }
        for level in range(len(mapping.orders))
    ]


def _walk(problem: Problem, mapping: Mapping, level: int) -> Iterator[Box]:
    """The tiles of ``level`` in the order in which they are wanted."""

    def inside(k: int, box: Box) -> Iterator[Box]:
        if k == level:
            yield box
            return
        order, step = mapping.orders[k - 1], mapping.tiles[k - 1]
        starts = [range(0, box[d][1], step[d]) for d in order]
        for point in product(*starts):
            tile = list(box)
            for d, start in zip(order, point, strict=True):
                tile[d] = (box[d][0] + start, min(step[d], box[d][1] - start))
            yield from inside(k - 1, tuple(tile))

    yield from inside(len(mapping.orders), tuple((0, n) for n in problem.bounds))


def _moves(operand: Operand, boxes: list[Box]) -> tuple[int, int]:
    held: frozenset[tuple[int, ...]] | None = None
    at: Box | None = None
    summed: set[tuple[int, ...]] = set()
    entered = left = 0
    for box in boxes:
        here = tuple(box[loop] for loop in sorted(operand.loops))
        if here == at:
            continue
        held, at = _elements(operand, box), here
        if operand.is_output:
            entered += len(held & summed)
            left += len(held)
            summed |= held
        else:
            entered += len(held)
    return entered, left


def _elements(operand: Operand, box: Box) -> frozenset[tuple[int, ...]]:
    """The elements that a box of iterations accesses."""
    indices = []
    for axis in operand.axes:
        ranges = [range(box[loop][0], box[loop][0] + box[loop][1]) for loop, _ in axis]
        coefficients = [c for _, c in axis]
        indices.append(
            {sum(c * x for c, x in zip(coefficients, xs, strict=True)) for xs in product(*ranges)}
        )
    return frozenset(product(*indices))
