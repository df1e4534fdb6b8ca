"""Cycles of a mapping by brute force: every innermost box and every step of the array."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, prod

from accelgen.affine.roles import Role
from accelgen.hardware import Hardware
from accelgen.mapper.mapping import Mapping, spread_of
from accelgen.mapper.problem import Operand, Problem
from accelgen.mapper.trace import (
    Box,
    box_elements,
    kept_between,
    nested_boxes,
    tiles_of,
    unit_boxes,
)

__all__ = ["fill", "walked_cycles"]


Elements = frozenset[tuple[int, ...]]


Channel = tuple[int, str, int]
"""A memory or a link (in one direction) above a level of buffers."""

Bits = dict[Channel, float]


@dataclass
class Tile:
    """An innermost box: the boxes around it, its steps, and bits that the array takes and gives."""

    boxes: tuple[Box, ...]
    steps: list[Box]
    streams: Bits = field(default_factory=dict)
    entered: dict[str, float] = field(default_factory=dict)
    left: dict[str, float] = field(default_factory=dict)

    @property
    def box(self) -> Box:
        return self.boxes[0]


@dataclass
class Change:
    """What crosses a boundary between two innermost boxes: ``loop`` is the number of the innermost
    loop that moves it, outermost loop first.
    """

    loop: int
    bits: Bits
    waits: bool


def walked_cycles(problem: Problem, hardware: Hardware, mapping: Mapping) -> float:
    *inputs, output = problem.operands
    tiles = [
        Tile(boxes, list(tiles_of(boxes[0], mapping.tiles[0], mapping.orders[0])))
        for boxes in nested_boxes(problem, mapping)
    ]
    spread = spread_of(mapping.unrolling, len(problem.bounds))
    for operand in inputs:
        of_inputs(operand, hardware, mapping, spread, tiles)
    of_outputs(output, tiles)
    nest = Walk(problem, hardware, mapping, tiles)
    total, _ = nest.iteration(0, 0, len(tiles))
    for p in reversed(range(len(nest.held))):
        load: Bits = {}
        for o, operand in enumerate(inputs):
            box = tiles[0].boxes[nest.held[p][o] - 1]
            if p == 0 and hardware.levels[0].memory(operand.role).streams:
                box = tiles[0].steps[0]
            add(load, nest.carried(p, operand, 0, len(box_elements(operand, box)) * operand.bits))
        total += nest.time(load)
    for p, level in enumerate(nest.held):
        done = len(box_elements(output, tiles[-1].boxes[level[-1] - 1])) * output.bits
        total += nest.time(nest.carried(p, output, 1, done))
    return total + nest.shared_sums() + fill(hardware, mapping)


def add(to: Bits, more: Bits, times: float = 1) -> None:
    for channel, bits in more.items():
        to[channel] = to.get(channel, 0.0) + times * bits


class Walk:
    """All innermost boxes, and what crosses boundaries after each."""

    def __init__(
        self, problem: Problem, hardware: Hardware, mapping: Mapping, tiles: list[Tile]
    ) -> None:
        self.problem, self.hardware, self.tiles = problem, hardware, tiles
        self.held = mapping.boxes_held(len(problem.operands))
        spread = spread_of(mapping.unrolling, len(problem.bounds))
        boxes = len(mapping.tiles) - 2
        # The loops, outermost first: box and loop; where each innermost box is along each, from
        # where the box around it begins.
        self.loops = [(j, d) for j in range(boxes, 0, -1) for d in mapping.orders[j]]
        whole: Box = tuple((0, n) for n in problem.bounds)
        around = [(*tile.boxes, whole) for tile in tiles]
        self.starts = [tuple(x[j - 1][d][0] - x[j][d][0] for j, d in self.loops) for x in around]
        output = problem.operands[-1]
        self.busy = []
        for tile in tiles:
            busy: float = sum(step_cycles(output, hardware, step, spread) for step in tile.steps)
            busy += stalls(problem, hardware, tile, spread)
            self.busy.append(max(busy, ports(problem, hardware, tile)))
        self.after: list[list[Change]] = [[] for _ in tiles]
        for p, level in enumerate(self.held):
            for o, operand in enumerate(problem.operands):
                if p > 0 or not hardware.levels[0].memory(operand.role).streams:
                    self.changes(p, operand, level[o])

    def changes(self, p: int, operand: Operand, box: int) -> None:
        """When the part of an operand changes: the next is loaded, and the one before is stored for
        as long as there are two buffers, the present one when there is one.
        """
        here = [relevant(operand, tile.boxes[box - 1]) for tile in self.tiles]
        begins = [n for n, part in enumerate(here) if n == 0 or here[n - 1] != part]
        single = self.hardware.levels[p].memory(operand.role).buffers == 1
        loads, stores = [0.0] * len(begins), [0.0] * len(begins)
        by_part: dict[Box, list[int]] = {}
        for number, n in enumerate(begins):
            by_part.setdefault(here[n], []).append(number)
            loads[number] = len(box_elements(operand, self.tiles[n].boxes[box - 1])) * operand.bits
        for visits in by_part.values() if operand.is_output else ():
            elements = [
                box_elements(operand, self.tiles[begins[number]].boxes[box - 1])
                for number in visits
            ]
            for number, (entered, left) in zip(visits, sums(operand, elements), strict=True):
                loads[number], stores[number] = entered, left
        for number, n in enumerate(begins[1:]):
            moved = self.carried(p, operand, 0, loads[number + 1])
            stored = stores[number] if single else stores[number - 1] if number else 0.0
            add(moved, self.carried(p, operand, 1, stored))
            innermost = max(
                q
                for q, (j, d) in enumerate(self.loops)
                if j >= box and d in operand.loops and self.starts[n][q] != self.starts[n - 1][q]
            )
            self.after[n - 1].append(Change(innermost, moved, single))
        if len(begins) > 1 and not single:
            last = self.starts[-1]
            innermost = max(
                q
                for q, (j, d) in enumerate(self.loops)
                if j >= box
                and d in operand.loops
                and any(x[:q] == last[:q] and x[q] != last[q] for x in self.starts)
            )
            moved = self.carried(p, operand, 1, stores[-2])
            self.after[-1].append(Change(innermost, moved, waits=False))

    def iteration(self, depth: int, begin: int, end: int) -> tuple[float, Bits]:
        """Cycles and bits of the boxes from ``begin`` to ``end``: a step of the loop before."""
        bits: Bits = {}
        if depth == len(self.loops):
            cycles = self.busy[begin]
            add(bits, self.tiles[begin].streams)
        else:
            cycles = 0.0
            at = begin
            for n in range(begin + 1, end + 1):
                if n == end or self.starts[n][depth] != self.starts[at][depth]:
                    more, moved = self.iteration(depth + 1, at, n)
                    cycles += more
                    add(bits, moved)
                    at = n
        waits: Bits = {}
        alone = 0.0
        for change in self.after[end - 1]:
            if change.loop == depth - 1:
                add(waits if change.waits else bits, change.bits)
                alone += self.time(change.bits) if change.waits else 0.0
        cycles = alone + max(cycles, self.time(bits))
        add(bits, waits)
        return cycles, bits

    def carried(self, p: int, operand: Operand, way: int, bits: float) -> Bits:
        """What carries an operand across the boundary above a level."""
        above = self.hardware.levels[p + 1]
        found = {(p, above.memory(operand.role).name, 0): float(bits)}
        if operand.role in above.links:
            found[p, f"link {operand.role}", way] = float(bits)
        return found

    def time(self, bits: Bits) -> float:
        return max((n / self.rate(channel) for channel, n in bits.items()), default=0.0)

    def rate(self, channel: Channel) -> float:
        p, name, _ = channel
        above = self.hardware.levels[p + 1]
        rates: dict[str, float] = {f"link {role}": rate for role, rate in above.links.items()}
        rates |= {memory.name: memory.bandwidth or inf for memory in above.memories}
        return 8 * rates[name]

    def shared_sums(self) -> float:
        """Cycles for sums that several boxes have: read once more, and written as sums and not as
        results by all but the last, through everything on the way one after the other.
        """
        output = self.problem.operands[-1]
        total = 0.0
        for p, box in enumerate((1, *(level[-1] for level in self.held))):
            boxes = {relevant(output, x.boxes[box - 1]): x.boxes[box - 1] for x in self.tiles}
            parts = [box_elements(output, x) for x in boxes.values()]
            shared = sum(map(len, parts)) - len(frozenset().union(*parts))
            read = shared * output.partial_bits
            written = shared * (output.partial_bits - output.bits)
            if p == 0:
                bits = dict.fromkeys((x.name for x in self.problem.operands), 0.0)
                moved = Tile(self.tiles[0].boxes, [], entered=dict(bits), left=dict(bits))
                moved.entered[output.name], moved.left[output.name] = read, written
                total += ports(self.problem, self.hardware, moved)
                continue
            crossed = self.carried(p - 1, output, 0, read)
            add(crossed, self.carried(p - 1, output, 1, written))
            total += self.time(crossed)
        return total


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
        if held.streams:
            above = hardware.levels[1]
            add(tile.streams, {(0, above.memory(operand.role).name, 0): taken * operand.bits})
            if operand.role in above.links:
                add(tile.streams, {(0, f"link {operand.role}", 0): taken * operand.bits})


def of_outputs(operand: Operand, tiles: list[Tile]) -> None:
    """Every visit of a tile takes sums that were there before, and leaves finished ones where no
    later visit has them.  Whether they were there is that of the innermost box as a whole.
    """
    boxes = [relevant(operand, tile.box) for tile in tiles]
    # Between the array, which begins empty in every tile, and the buffer.
    owners: dict[Box, list[Tile]] = {}
    by_box: dict[Box, list[Elements]] = {}
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
