"""Cycles of a mapping by one rule for both sides: a discrete-event simulation of buffers and DRAM.

Every tensor has two buffers for its tiles in the SRAM, or one when it has a single tile.  A tile is
asked for as soon as it has a buffer, and stored as soon as it is left; DRAM moves
``bytes_per_cycle``, in pieces, what is needed soonest first.  A step of the array waits for the
whole tiles it uses.  Nothing else takes time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from math import prod

__all__ = ["Loop", "Nest", "Tensor", "cycles", "room"]

_PIECE = 512
"""Bytes that DRAM moves before it turns to something more urgent."""

_LAST = 1 << 60


@dataclass(frozen=True)
class Loop:
    """``count`` steps of ``stride`` iterations along ``index``."""

    index: str
    count: int
    stride: int


@dataclass(frozen=True)
class Tensor:
    """A tensor of bytes: what indexes it, and the tile of it that the SRAM holds."""

    indices: tuple[str, ...]
    tile: Mapping[str, int]
    is_output: bool = False

    def tile_at(self, start: Mapping[str, int]) -> tuple[int, ...]:
        """Which tile an iteration uses."""
        return tuple(start[index] // self.tile[index] for index in self.indices)

    def size(self, tile: tuple[int, ...], bounds: Mapping[str, int]) -> int:
        """Bytes of a tile: the last one along an index is what is left."""
        return prod(
            min(self.tile[index], bounds[index] - at * self.tile[index])
            for index, at in zip(self.indices, tile, strict=True)
        )


@dataclass(frozen=True)
class Nest:
    """Loops over steps, outermost first.

    ``step`` is the box of iterations of a step, of which ``unrolled`` run at once.
    """

    bounds: Mapping[str, int]
    loops: tuple[Loop, ...]
    step: Mapping[str, int]
    unrolled: Mapping[str, int]
    tensors: tuple[Tensor, ...]

    def starts(self) -> Iterator[dict[str, int]]:
        """The first iteration of every step, in order."""
        for at in product(*(range(loop.count) for loop in self.loops)):
            start = dict.fromkeys(self.bounds, 0)
            for number, loop in zip(at, self.loops, strict=True):
                start[loop.index] += number * loop.stride
            if all(start[index] < bound for index, bound in self.bounds.items()):
                yield start

    def compute(self, start: Mapping[str, int]) -> int:
        """Cycles of a step."""
        return prod(
            -(-min(self.step[index], bound - start[index]) // self.unrolled[index])
            for index, bound in self.bounds.items()
        )


def room(nest: Nest) -> int:
    """Bytes of SRAM that a nest takes."""
    taken = 0
    for tensor in nest.tensors:
        tile = prod(tensor.tile[index] for index in tensor.indices)
        whole = prod(nest.bounds[index] for index in tensor.indices)
        taken += tile if tile == whole else 2 * tile
    return taken


def cycles(nest: Nest, bytes_per_cycle: float) -> float:
    """From the first load to the last store."""
    starts = list(nest.starts())
    visits = [_Visits.of(tensor, nest, starts) for tensor in nest.tensors]
    simulation = _Simulation(visits, [nest.compute(start) for start in starts], bytes_per_cycle)
    return simulation.run()


@dataclass
class _Visits:
    """The tiles of a tensor one after the other: the step each begins at, bytes in and out."""

    begins: list[int] = field(default_factory=list)
    loads: list[int] = field(default_factory=list)
    stores: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, tensor: Tensor, nest: Nest, starts: Sequence[Mapping[str, int]]) -> _Visits:
        found, seen = cls(), set()
        tiles = [tensor.tile_at(start) for start in starts]
        changes = [0] + [step for step, (a, b) in enumerate(pairwise(tiles), 1) if a != b]
        for step in changes:
            tile = tiles[step]
            size = tensor.size(tile, nest.bounds)
            found.begins.append(step)
            found.loads.append(size if not tensor.is_output or tile in seen else 0)
            found.stores.append(size if tensor.is_output else 0)
            seen.add(tile)
        return found


class _Simulation:
    """Steps of the array, and requests to DRAM beside them.

    A request is (step that needs it, order, bytes, tensor, visit, whether it is a load).
    """

    def __init__(self, visits: list[_Visits], compute: list[int], rate: float) -> None:
        self.visits, self.compute, self.rate = visits, compute, rate
        self.now = 0.0
        self.waiting: list[tuple[int, int, int, int, int, bool]] = []
        self.order = 0
        self.at: list[dict[int, int]] = [{} for _ in compute]
        for number, visit in enumerate(visits):
            for which, step in enumerate(visit.begins):
                self.at[step][number] = which
        self.missing = [dict[int, int]() for _ in visits]
        self.unstored = [dict[int, int]() for _ in visits]

    def run(self) -> float:
        for number in range(len(self.visits)):
            self._load(number, 0)
            self._load(number, 1)
        step, busy_until, moving = 0, -1.0, None
        arrives = 0.0
        while True:
            if busy_until <= self.now and step <= len(self.compute):
                if busy_until >= 0:
                    self._leave(step)
                    busy_until = -1.0
                if step < len(self.compute) and self._ready(step):
                    self._enter(step)
                    busy_until = self.now + self.compute[step]
                    step += 1
            if moving is None and self.waiting:
                moving = heapq.heappop(self.waiting)
                arrives = self.now + min(moving[2], _PIECE) / self.rate
            events = [arrives] * (moving is not None) + [busy_until] * (busy_until >= 0)
            if not events:
                assert step == len(self.compute), "the array waits for nothing"
                return self.now
            self.now = min(events)
            if moving is not None and arrives <= self.now:
                self._moved(moving)
                moving = None

    def _ask(self, deadline: int, size: int, number: int, which: int, is_load: bool) -> None:
        self.order += 1
        heapq.heappush(self.waiting, (deadline, self.order, size, number, which, is_load))

    def _load(self, number: int, which: int) -> None:
        """A buffer is free for a tile: ask for it."""
        visit = self.visits[number]
        if which < len(visit.begins):
            self.missing[number][which] = visit.loads[which]
            if visit.loads[which]:
                self._ask(visit.begins[which], visit.loads[which], number, which, True)

    def _moved(self, request: tuple[int, int, int, int, int, bool]) -> None:
        deadline, order, size, number, which, is_load = request
        left = self.missing[number] if is_load else self.unstored[number]
        left[which] -= min(size, _PIECE)
        if size > _PIECE:
            rest = (deadline, order, size - _PIECE, number, which, is_load)
            heapq.heappush(self.waiting, rest)
        elif not is_load:
            self._load(number, which + 2)

    def _ready(self, step: int) -> bool:
        """Whether the tiles that begin at a step are there (and have a buffer)."""
        return all(
            self.missing[number].get(which, 1) == 0 for number, which in self.at[step].items()
        )

    def _enter(self, step: int) -> None:
        """Inputs leave their tiles when the next ones begin."""
        for number, which in self.at[step].items():
            if which and not self.visits[number].stores[which]:
                self._load(number, which + 1)

    def _leave(self, step: int) -> None:
        """Tiles of the output that end before ``step`` are stored, and free their buffer then."""
        for number, visit in enumerate(self.visits):
            for which in self._ended(number, step):
                size = visit.stores[which]
                self.unstored[number][which] = size
                after = which + 2
                deadline = visit.begins[after] if after < len(visit.begins) else _LAST
                self._ask(deadline, size, number, which, False)

    def _ended(self, number: int, step: int) -> list[int]:
        visit = self.visits[number]
        if not visit.stores[0]:
            return []
        if step == len(self.compute):
            return [len(visit.begins) - 1]
        return [which - 1] if (which := self.at[step].get(number, 0)) else []
