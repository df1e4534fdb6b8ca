"""Access counts by brute force: every tile walked, real sets of elements in every level.

Not compiled, and with no count of :mod:`accelgen.mapper.counts`: what these are checked against.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import product

from accelgen.hardware.model import Hardware
from accelgen.mapper.cost import Moves
from accelgen.mapper.mapping import Mapping, spread_of
from accelgen.mapper.problem import Axis, Operand, Problem

__all__ = [
    "Box",
    "box_elements",
    "kept_between",
    "nested_boxes",
    "tiles_of",
    "trace",
    "unit_boxes",
]

Box = tuple[tuple[int, int], ...]
"""First iteration and extent along every loop."""

Elements = frozenset[tuple[int, ...]]


def trace(problem: Problem, hardware: Hardware, mapping: Mapping) -> list[dict[str, Moves]]:
    """Of the array and of every buffer, by operand: elements that enter, leave and are delivered.

    An operand's tile *enters* whenever it differs from the one before, of the output those of its
    sums that were there before; all sums of a tile *leave*.  Where the registers slide, of a tile
    that is one step of its innermost moving loop after another one of the same innermost box only
    elements that this one had not enter; that loop must not be divided among units.  *Delivered*
    are the elements of every unit's own part, added up over the units that work when the tile
    enters.  A memory of the innermost level that streams takes what the array takes.
    """
    boxes = nested_boxes(problem, mapping)
    steps = [
        (number, tile, step)
        for number, (tile, *_) in enumerate(boxes)
        for step in tiles_of(tile, mapping.tiles[0], mapping.orders[0])
    ]
    spread = spread_of(mapping.unrolling, len(problem.bounds))
    array: dict[str, Moves] = {}
    held = mapping.boxes_held(len(problem.operands))
    buffers: list[dict[str, Moves]] = [{} for _ in held]
    for o, operand in enumerate(problem.operands):
        slides = not operand.is_output and (
            hardware.registers is not None and hardware.registers.memory(operand.role).slides
        )
        array[operand.name] = _array_moves(operand, mapping, spread, steps, slides)
        for level, buffer in enumerate(buffers):
            around = [chain[held[level][o] - 1] for chain in boxes]
            buffer[operand.name] = _moves(operand, around)
        if hardware.levels[0].memory(operand.role).streams:
            buffers[0][operand.name] = replace(array[operand.name], delivered=0)
    return [array, *buffers]


def nested_boxes(problem: Problem, mapping: Mapping) -> list[tuple[Box, ...]]:
    """The innermost boxes one after the other, each with the boxes around it, innermost first."""
    chains: list[tuple[Box, ...]] = [(tuple((0, n) for n in problem.bounds),)]
    for size, order in zip(mapping.tiles[-2:0:-1], mapping.orders[:0:-1], strict=True):
        chains = [(box, *chain) for chain in chains for box in tiles_of(chain[0], size, order)]
    return [chain[:-1] for chain in chains]


def tiles_of(box: Box, step: tuple[int, ...], order: tuple[int, ...]) -> Iterator[Box]:
    """The tiles of a box one after the other; those at its end are what is left."""
    starts = [range(0, box[d][1], step[d]) for d in order]
    for point in product(*starts):
        tile = list(box)
        for d, start in zip(order, point, strict=True):
            tile[d] = (box[d][0] + start, min(step[d], box[d][1] - start))
        yield tuple(tile)


def unit_boxes(step: Box, spread: tuple[int, ...]) -> dict[tuple[int, ...], Box]:
    """The iterations of every unit that works in a step of the array.

    Along a loop each unit takes as many as the others, one after the other, the last ones what is
    left, or nothing.
    """
    parts = []
    for (start, length), units in zip(step, spread, strict=True):
        each = -(-length // units)
        ends = [min(length, (unit + 1) * each) for unit in range(units)]
        along = [(unit, start + unit * each, end - unit * each) for unit, end in enumerate(ends)]
        parts.append([part for part in along if part[2] > 0])
    return {
        tuple(unit for unit, _, _ in chosen): tuple((start, n) for _, start, n in chosen)
        for chosen in product(*parts)
    }


def box_elements(operand: Operand, box: Box) -> Elements:
    """The elements that a box of iterations accesses."""
    return _elements(
        operand.axes, tuple(tuple(box[loop] for loop, _ in axis) for axis in operand.axes)
    )


@lru_cache(maxsize=1 << 16)
def _elements(axes: tuple[Axis, ...], boxes: tuple[Box, ...]) -> Elements:
    indices = []
    for axis, box in zip(axes, boxes, strict=True):
        ranges = [range(start, start + length) for start, length in box]
        points = product(*ranges)
        indices.append({sum(c * x for (_, c), x in zip(axis, p, strict=True)) for p in points})
    return frozenset(product(*indices))


def _moves(operand: Operand, boxes: list[Box]) -> Moves:
    at: Box | None = None
    summed: set[tuple[int, ...]] = set()
    entered = left = 0
    for box in boxes:
        here = _relevant(operand, box)
        if here == at:
            continue
        at, held = here, box_elements(operand, box)
        entered += len(held & summed if operand.is_output else held)
        left += len(held) if operand.is_output else 0
        summed |= held
    return Moves(entered, left)


def _array_moves(
    operand: Operand,
    mapping: Mapping,
    spread: tuple[int, ...],
    steps: list[tuple[int, Box, Box]],
    slides: bool,
) -> Moves:
    every = _moves(operand, [step for _, _, step in steps])
    entered = delivered = 0
    before: Box | None = None
    number_before = -1
    held: Elements = frozenset()
    units: dict[tuple[int, ...], Elements] = {}
    for number, tile, step in steps:
        if before is not None and _relevant(operand, step) == _relevant(operand, before):
            continue
        elements = box_elements(operand, step)
        parts = {unit: box_elements(operand, x) for unit, x in unit_boxes(step, spread).items()}
        if slides and number == number_before and before is not None:
            keeps = kept_between(operand, mapping, spread, tile, before, step)
        else:
            keeps = False
        entered += len(elements - held if keeps else elements)
        for unit, part in parts.items():
            delivered += len(part - units.get(unit, frozenset()) if keeps else part)
        before, number_before, held, units = step, number, elements, parts
    if operand.is_output:
        return Moves(every.entered, every.left, delivered)
    return Moves(entered, 0, delivered)


def kept_between(
    operand: Operand,
    mapping: Mapping,
    spread: tuple[int, ...],
    tile: Box,
    before: Box,
    step: Box,
) -> bool:
    """Whether windows slide: only the innermost loop that moves the operand in this tile of the
    buffer has changed, it has gone on, and no units divide it.
    """
    moved = [d for d in operand.loops if step[d] != before[d]]
    moving = [
        d for d in mapping.orders[0] if d in operand.loops and tile[d][1] > mapping.tiles[0][d]
    ]
    return (
        len(moved) == 1
        and moved[0] == moving[-1]
        and step[moved[0]][0] > before[moved[0]][0]
        and spread[moved[0]] == 1
    )


def _relevant(operand: Operand, box: Box) -> Box:
    return tuple(box[loop] for loop in sorted(operand.loops))
