"""Cycles of a mapping by brute force: every tile of the buffer and every step of the array."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, prod

from accelgen.affine.roles import Role
from accelgen.hardware import Hardware
from accelgen.mapper.mapping import Mapping, spread_of
from accelgen.mapper.problem import Operand, Problem
from accelgen.mapper.trace import Box, box_elements, kept_between, tiles_of, unit_boxes

__all__ = ["fill", "walked_cycles"]


Elements = frozenset[tuple[int, ...]]


@dataclass
class Tile:
    """A tile of the buffer: its steps, and bits on the way to and from the outermost memory."""

    box: Box
    steps: list[Box]
    load: float = 0.0
    store: float = 0.0
    waits: float = 0.0
    streams: float = 0.0
    entered: dict[str, float] = field(default_factory=dict)
    left: dict[str, float] = field(default_factory=dict)


def walked_cycles(problem: Problem, hardware: Hardware, mapping: Mapping) -> float:
    outer = hardware.levels[1]
    *inputs, output = problem.operands
    whole: Box = tuple((0, n) for n in problem.bounds)
    tiles = [
        Tile(box, list(tiles_of(box, mapping.tiles[0], mapping.orders[0])))
        for box in tiles_of(whole, mapping.tiles[1], mapping.orders[1])
    ]
    spread = spread_of(mapping.unrolling, len(problem.bounds))
    rate = 8 * (outer.memories[0].bandwidth or inf)
    for operand in inputs:
        of_inputs(operand, hardware, mapping, spread, tiles)
    of_outputs(output, hardware, tiles)
    total = (tiles[0].load + first_streams(inputs, hardware, tiles[0])) / rate
    for number, tile in enumerate(tiles):
        busy: float = sum(step_cycles(output, hardware, step, spread) for step in tile.steps)
        busy += stalls(problem, hardware, tile, spread)
        after = tiles[number + 1].load if number + 1 < len(tiles) else 0.0
        before = tiles[number - 1].store if number else 0.0
        meanwhile = (after + before + tile.streams) / rate
        total += tile.waits / rate + max(busy, ports(problem, hardware, tile), meanwhile)
    total += shared_sums(problem, hardware, tiles, rate)
    return total + tiles[-1].store / rate + fill(hardware, mapping)


def fill(hardware: Hardware, mapping: Mapping) -> int:
    along = {
        axis: prod(units for x, _, units in mapping.unrolling if x == axis)
        for axis in hardware.skewed
    }
    return hardware.fill + sum(along.values()) - len(along)


def relevant(operand: Operand, box: Box) -> Box:
    return tuple(box[loop] for loop in sorted(operand.loops))


def of_inputs(
    operand: Operand,
    hardware: Hardware,
    mapping: Mapping,
    spread: tuple[int, ...],
    tiles: list[Tile],
) -> None:
    held = hardware.levels[0].memory(operand.role)
    slides = hardware.registers is not None and hardware.registers.memory(operand.role).slides
    before: Box | None = None
    for tile in tiles:
        taken = 0
        step_before: Box | None = None
        for step in tile.steps:
            if step_before is not None and relevant(operand, step) == relevant(
                operand, step_before
            ):
                continue
            elements = box_elements(operand, step)
            if (
                slides
                and step_before is not None
                and kept_between(operand, mapping, spread, tile.box, step_before, step)
            ):
                elements -= box_elements(operand, step_before)
            taken += len(elements)
            step_before = step
        tile.entered[operand.name] = float(taken * operand.bits)
        tile.left[operand.name] = 0.0
        here = relevant(operand, tile.box)
        if held.streams:
            tile.streams += taken * operand.bits
        elif here != before:
            bits = len(box_elements(operand, tile.box)) * operand.bits
            if held.buffers == 2:
                tile.load += bits
            else:
                tile.waits += bits
        before = here


def first_streams(inputs: list[Operand], hardware: Hardware, tile: Tile) -> float:
    return sum(
        len(box_elements(operand, tile.steps[0])) * operand.bits
        for operand in inputs
        if hardware.levels[0].memory(operand.role).streams
    )


def of_outputs(operand: Operand, hardware: Hardware, tiles: list[Tile]) -> None:
    """Every visit of a tile takes sums that were there before, and leaves finished ones where no
    later visit has them.  Whether they were there is that of the tile of the buffer as a whole.
    """
    one = hardware.levels[0].memory(operand.role).buffers == 1
    # Between the buffer and the outermost memory.
    boxes = [relevant(operand, tile.box) for tile in tiles]
    begins = [n for n, box in enumerate(boxes) if n == 0 or boxes[n - 1] != box]
    ends = [n for n, box in enumerate(boxes) if n + 1 == len(boxes) or boxes[n + 1] != box]
    by_box: dict[Box, list[Elements]] = {}
    for n in begins:
        by_box.setdefault(boxes[n], []).append(box_elements(operand, tiles[n].box))
    moved = {box: iter(sums(operand, visits)) for box, visits in by_box.items()}
    for begin, end in zip(begins, ends, strict=True):
        entered, left = next(moved[boxes[begin]])
        first, last = tiles[begin], tiles[end]
        first.waits += entered if one else 0
        first.load += 0 if one else entered
        last.waits += left if one else 0
        last.store += 0 if one else left
    # Between the array, which begins empty in every tile, and the buffer.
    owners: dict[Box, list[Tile]] = {}
    by_box = {}
    for tile, box in zip(tiles, boxes, strict=True):
        tile.entered[operand.name] = tile.left[operand.name] = 0.0
        before: Box | None = None
        for step in tile.steps:
            here = relevant(operand, step)
            if here != before:
                owners.setdefault(box, []).append(tile)
                by_box.setdefault(box, []).append(box_elements(operand, step))
            before = here
    for box, visits in by_box.items():
        for tile, (entered, left) in zip(owners[box], sums(operand, visits), strict=True):
            tile.entered[operand.name] += entered
            tile.left[operand.name] += left


def sums(operand: Operand, visits: list[Elements]) -> list[tuple[int, int]]:
    """Bits that enter and leave in each visit."""
    last = {element: n for n, visit in enumerate(visits) for element in visit}
    summed: set[tuple[int, ...]] = set()
    found = []
    for n, visit in enumerate(visits):
        done = sum(1 for element in visit if last[element] == n)
        left = done * operand.bits + (len(visit) - done) * operand.partial_bits
        found.append((len(visit & summed) * operand.partial_bits, left))
        summed |= visit
    return found


def shared_sums(problem: Problem, hardware: Hardware, tiles: list[Tile], rate: float) -> float:
    """Cycles for sums that several tiles of the buffer have: read once more, and written as sums
    and not as results by all but the last, through everything on the way one after the other.
    """
    output = problem.operands[-1]
    distinct = {relevant(output, tile.box): box_elements(output, tile.box) for tile in tiles}
    shared = sum(map(len, distinct.values())) - len(frozenset().union(*distinct.values()))
    read = shared * output.partial_bits
    written = shared * (output.partial_bits - output.bits)
    bits = dict.fromkeys((x.name for x in problem.operands), 0.0)
    moved = Tile(tiles[0].box, [], entered=dict(bits), left=dict(bits))
    moved.entered[output.name], moved.left[output.name] = read, written
    return (read + written) / rate + ports(problem, hardware, moved)


def step_cycles(output: Operand, hardware: Hardware, step: Box, spread: tuple[int, ...]) -> int:
    """The unit that works longest: a multiplication per cycle, and sums from elsewhere."""
    longest = 0
    for unit in unit_boxes(step, spread).values():
        work = prod(length for _, length in unit)
        joined = prod(unit[loop][1] for loop in output.loops)
        longest = max(longest, work + hardware.join_cycles * joined)
    return longest


def stalls(problem: Problem, hardware: Hardware, tile: Tile, spread: tuple[int, ...]) -> float:
    *inputs, output = problem.operands
    if hardware.registers is None:
        return 0.0
    files = {x.name: hardware.registers.memory(x.role) for x in inputs}
    stopping = [x for x in inputs if files[x.name].buffers == 1 and not files[x.name].slides]
    total = 0.0
    before: Box | None = None
    for step in tile.steps if stopping else []:
        if before is None or any(relevant(x, step) != relevant(x, before) for x in stopping):
            bits = {x.name: float(len(box_elements(x, step)) * x.bits) for x in inputs}
            arrival = slowest(inputs, hardware, bits)
            total += max(0.0, arrival - step_cycles(output, hardware, step, spread))
        before = step
    return total


def ports(problem: Problem, hardware: Hardware, tile: Tile) -> float:
    buffer = hardware.levels[0]
    longest = 0.0
    for memory in buffer.memories:
        held = [x for x in problem.operands if x.role in memory.holds]
        bits = sum(tile.entered[x.name] + tile.left[x.name] for x in held)
        longest = max(longest, bits / (8 * (memory.bandwidth or inf)))
    for moved in (tile.entered, tile.left):
        longest = max(longest, links(problem.operands, hardware, moved))
    return longest


def slowest(operands: list[Operand], hardware: Hardware, bits: dict[str, float]) -> float:
    """Cycles that bits take through memories of the buffer and links, one way."""
    longest = links(tuple(operands), hardware, bits)
    for memory in hardware.levels[0].memories:
        moved = sum(bits[x.name] for x in operands if x.role in memory.holds)
        longest = max(longest, moved / (8 * (memory.bandwidth or inf)))
    return longest


def links(operands: tuple[Operand, ...], hardware: Hardware, bits: dict[str, float]) -> float:
    by_role: dict[Role, float] = {}
    for operand in operands:
        by_role[operand.role] = by_role.get(operand.role, 0.0) + bits[operand.name]
    rates = hardware.levels[0].links
    return max((moved / (8 * rates.get(role, inf)) for role, moved in by_role.items()), default=0.0)
